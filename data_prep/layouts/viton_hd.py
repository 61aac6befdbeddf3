"""VITON-HD, its mirror zalando-hd-resized, and the trees of StableVITON and GP-VTON."""

from data_prep.layouts import tree

NAME = "viton-hd"
TITLE = "VITON-HD: {train,test}/{image,cloth}/00006_00.jpg; also zalando-hd-resized, GP-VTON"
RULES = tree.Rules(worn_garment=lambda name: name, lists_true=False)


def matches(source):
    """Whether photos and garments have the same names."""
    return tree.follows(source, RULES)


def records(source):
    """True pairs have the same name in both folders; the second column of the lists is unpaired."""
    return tree.records(source, RULES)
