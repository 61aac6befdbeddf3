"""MPV3D: one folder per kind of file, names with the product before "@", a list per split."""

from data_prep.layouts import tree

NAME = "mpv3d"
TITLE = "MPV3D: image/X@8=person_whole_front.png, cloth/X@9=cloth_front.jpg, *_pairs.txt"
PERSON, GARMENT = "=person_whole_front", "=cloth_front"


def product(name):
    """X@8=person_whole_front, X@9=cloth_front -> X; the numbers count the photos of a product."""
    return name.partition("@")[0]


RULES = tree.Rules(
    worn_garment=lambda name: product(name) if name.endswith(PERSON) else None,
    key=lambda name: product(name) if name.endswith(GARMENT) else None,
    product=product,
    parse_ending="_label",
    mask_ending="_mask",
    labels=(5,),
)


def matches(source):
    """Whether photos and garments follow MPV3D's naming."""
    return tree.follows(source, RULES)


def records(source):
    """Rows of train_pairs.txt are true pairs; rows of a test list are if the products agree."""
    return tree.records(source, RULES)
