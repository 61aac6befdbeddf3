"""MPV3D: one folder per kind of file, names with the product before "@", a list per split."""

from data_prep.layouts import tree

NAME = "mpv3d"
TITLE = "MPV3D: image/X@8=person_whole_front.png, cloth/X@8=cloth_front.jpg, *_pairs.txt"
PERSON, GARMENT = "=person_whole_front", "=cloth_front"


def worn_garment(name):
    """X@8=person_whole_front -> X@8=cloth_front; None for other names."""
    return name.removesuffix(PERSON) + GARMENT if name.endswith(PERSON) else None


RULES = tree.Rules(
    worn_garment,
    product=lambda name: name.partition("@")[0],
    parse_ending="_label",
    mask_ending="_mask",
    labels=(5,),
)


def matches(source):
    """Whether photos and garments follow MPV3D's naming."""
    return tree.follows(source, worn_garment)


def records(source):
    """Rows of train_pairs.txt are true pairs; rows of a test list are if the products agree."""
    return tree.records(source, RULES)
