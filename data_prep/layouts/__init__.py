"""Layouts of datasets on disk.

A layout is a module that determines which photos belong together.  It defines NAME, TITLE,
`matches(source)` for `detect`, `records(source, **options)` and, if it takes options, OPTIONS and perhaps
`present(source)`, the options that `detect` suggests: name -> words.  To add
one, write the module and list it in LAYOUTS.
"""

import itertools

from data_prep.layouts import (
    cp_vton,
    deepfashion,
    dresscode,
    folders,
    keras_cagan,
    listed,
    lookbook,
    mpv,
    mpv3d,
    viton_hd,
)

PATHS = ("persons", "garments", "parse", "listed")
"""Options of layouts that are paths, relative to SRC or inside it."""

LAYOUTS = {
    module.NAME: module
    for module in (
        viton_hd,
        cp_vton,
        dresscode,
        mpv,
        mpv3d,
        lookbook,
        deepfashion,
        keras_cagan,
        listed,
        folders,
    )
}


def find_root(source, layout):
    """The `Source` at the root of a layout's tree: SRC or the first matching folder in it, or None."""
    if layout.matches(source):
        return source
    for folder in source.folders():
        inner = source.within(folder) if folder not in source.refused else source
        if layout.matches(inner):
            return inner
    return None


def detect(source):
    """(name, `Source` at its root) of every layout that matches the folder."""
    found = [(name, find_root(source, layout)) for name, layout in LAYOUTS.items()]
    return [(name, inner) for name, inner in found if inner]


def matching_folders(source):
    """(folder, folder, number of shared names) of the two folders in SRC that share most, or None."""
    folders = {name: set(source.by_stem(name)) for name in source.folders()}
    pairs = [(len(folders[a] & folders[b]), a, b) for a, b in itertools.combinations(folders, 2)]
    count, a, b = max(pairs, key=lambda row: row[0], default=(0, "", ""))
    return (a, b, count) if count else None
