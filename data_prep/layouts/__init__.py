"""The layouts of data sets on a disk.

Each is a module that only tells which photos belong together: NAME, TITLE, `matches(source)` for
`detect`, `records(source, **options)` and, where it takes options, OPTIONS.  To add one, write
the module and name it in LAYOUTS.
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


def begin(source, layout):
    """The source at which the layout's tree begins: SRC or the one folder in it that matches.

    Returns None where neither matches.
    """
    if layout.matches(source):
        return source
    for folder in source.folders():
        inner = source.within(folder) if folder not in source.refused else source
        if layout.matches(inner):
            return inner
    return None


def detect(source):
    """(name, source at its beginning) of every layout that the folder has."""
    found = [(name, begin(source, layout)) for name, layout in LAYOUTS.items()]
    return [(name, inner) for name, inner in found if inner]


def twin_folders(source):
    """(folder, folder, shared names) of the two folders in SRC that share most names, or None."""
    folders = {name: set(source.by_stem(name)) for name in source.folders()}
    pairs = [(len(folders[a] & folders[b]), a, b) for a, b in itertools.combinations(folders, 2)]
    count, a, b = max(pairs, key=lambda row: row[0], default=(0, "", ""))
    return (a, b, count) if count else None
