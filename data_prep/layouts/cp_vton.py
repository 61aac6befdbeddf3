"""CP-VTON's layout, in which many re-pack their own photos."""

from data_prep.layouts import tree

NAME = "cp-vton"
TITLE = "CP-VTON: {train,test}/{image,cloth}/000003_{0,1}.jpg, person 0 and garment 1"


def own(name):
    """000003_0 -> 000003_1; None for other names."""
    return f"{name[:-2]}_1" if name.endswith("_0") else None


RULES = tree.Rules(own, product=lambda name: name.removesuffix("_1"))


def matches(source):
    """Whether photos end in _0 and their garments in _1."""
    return tree.follows(source, own)


def records(source):
    """Rows of train_pairs.txt are true pairs; those of test lists are shuffled: unpaired."""
    return tree.records(source, RULES)
