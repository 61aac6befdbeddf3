"""MPV3D: one folder of each kind, names with the product before "@", lists for the splits."""

from data_prep.layouts import tree

NAME = "mpv3d"
TITLE = "MPV3D: image/X@8=person_whole_front.png, cloth/X@8=cloth_front.jpg, *_pairs.txt"
PERSON, GARMENT = "=person_whole_front", "=cloth_front"


def own(name):
    """X@8=person_whole_front -> X@8=cloth_front; None for other names."""
    return name.removesuffix(PERSON) + GARMENT if name.endswith(PERSON) else None


RULES = tree.Rules(
    own, product=lambda name: name.partition("@")[0], parse_ending="_label", mask_ending="_mask", labels=(5,)
)


def matches(source):
    """Whether photos and garments are called as those of MPV3D."""
    return tree.follows(source, own)


def records(source):
    """Rows of train_pairs.txt are true; a row of a test list is true where the product agrees."""
    return tree.records(source, RULES)
