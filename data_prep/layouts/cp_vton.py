"""CP-VTON's layout, which is also a common way to pack other photos."""

from data_prep.layouts import tree

NAME = "cp-vton"
TITLE = "CP-VTON: {train,test}/{image,cloth}/000003_{0,1}.jpg, person 0 and garment 1"


def worn_garment(name):
    """The stem of the garment worn in a photo: 000003_0 -> 000003_1; None for other names."""
    return f"{name[:-2]}_1" if name.endswith("_0") else None


RULES = tree.Rules(worn_garment, product=lambda name: name.removesuffix("_1"))


def matches(source):
    """Whether the stems of photos end in _0 and those of their garments in _1."""
    return tree.follows(source, RULES)


def records(source):
    """Rows of train_pairs.txt are true pairs; rows of test lists are shuffled, thus unpaired."""
    return tree.records(source, RULES)
