"""``python -m data_prep``: build or inspect the photo files that CAGAN is trained on."""

import collections
import dataclasses
import functools
import itertools
import shlex

import click

from cagan_theano.io.command import Group, Output, main, overwrite_option
from cagan_theano.io.files import write_atomically
from cagan_theano.io.text import escape, one_line
from data_prep.export import LAYOUTS as EXPORTS
from data_prep.export import export
from data_prep.layouts import LAYOUTS, detect
from data_prep.layouts.proposal import propose
from data_prep.options import size_option
from data_prep.photo_folder import PhotoFolder
from data_prep.photoshoot.camera.studio import STUDIOS
from data_prep.photoshoot.clothes.garment import WARDROBES
from data_prep.store import KIND, SPLITS, PhotoFile

SPLIT_WAYS = ["given", "product", "train", "test"]
HELD_OUT, FEWEST = 512, 4  # default and minimum number of test pairs: a swap needs another garment


@click.group(cls=Group, context_settings={"show_default": True, "max_content_width": 100})
def cli():
    """Build or inspect HDF5 files of human photos x_i and their articles y_i.

    photoshoot renders synthetic pairs; detect and the commands named after dataset layouts read your
    own photos.
    """


HELD_OUT_SHOWN = f"{HELD_OUT}, or --pairs if smaller"
WARDROBE_HELP = """paper: pullovers and hoodies, as in section 3.1; shop: a broader range of tops, with
pullovers and hoodies the largest part; all: tops, trousers, skirts and dresses, each swapped for another of
its category."""
STUDIO_SHOWN = "one for the wardrobe paper, otherwise many"
STUDIO_HELP = """one: a shop whose photos have one style, which the seed chooses: people face the camera, on
one backdrop, in one light; articles are presented in one way; many: every photo has a style of its own,
people any pose."""
JOBS_HELP = "Processes; does not affect the images."
out_argument = click.argument("out", type=Output(KIND, data=True))
src_argument = click.argument("src", type=click.Path())
count_option = functools.partial(click.option, type=click.IntRange(0))


@cli.command()
@out_argument
@overwrite_option
@click.option("--pairs", default=15000, help="Training pairs; the paper has 15000.")
@click.option("--wardrobe", type=click.Choice(list(WARDROBES)), default="paper", help=WARDROBE_HELP)
@size_option
@count_option("--seed", default=0, help="Random seed.")
@count_option("--held-out", show_default=HELD_OUT_SHOWN, help="Test pairs, each with one true swap.")
@click.option("--true-swaps", default=0, help="True swaps of training pairs, for training with ground truth.")
@click.option("--studio", type=click.Choice(list(STUDIOS)), show_default=STUDIO_SHOWN, help=STUDIO_HELP)
@click.option("--clutter", is_flag=True, help="Street-like background instead of a studio.")
@click.option("--jobs", type=int, show_default="available CPUs", help=JOBS_HELP)
def photoshoot(out, pairs, held_out, true_swaps, **given):
    """Render a procedural photoshoot, people in garments of a wardrobe, to the HDF5 file OUT.

    If interrupted, run the same command again to continue.
    """
    from data_prep.photoshoot.shoot import shoot

    if held_out is None:
        held_out = min(HELD_OUT, max(pairs, FEWEST))
    shoot(out, pairs, held_out=held_out, true_swaps=true_swaps, **given)
    swaps = f" with {true_swaps} true swaps" if true_swaps else ""
    click.echo(f"wrote {out}: {pairs} training pairs{swaps}, {held_out} held out")


@cli.command("detect")
@src_argument
@click.option("--samples", default=3, type=click.IntRange(0, 100), help="Pairs to list.")
def detect_command(src, samples):
    """Report which layout the folder SRC has and what it would yield, without opening a photo."""
    from data_prep.ingest import find

    folder = PhotoFolder(src)
    found = [(name, root, {}) for name, root in detect(folder)]
    if not found and (proposal := propose(folder)):
        name, options, told = proposal
        if not told:
            click.echo("the names do not tell persons from garments; if they are mixed up, exchange the two")
        found = [(name, folder, options)]
    if not found:
        seen = list(itertools.islice(folder.walk(), 1000))
        raise click.ClickException(
            f"{src}: matches no known layout; saw {len(seen)} images in {len(folder.folders())} folders"
            + (f", such as {', '.join(seen[:2])}" if seen else "")
            + "; pair them by their names (cagan data folders) or by a list (cagan data list)"
        )
    used = set()
    for name, root, options in found:
        records = find(LAYOUTS[name], root, options)
        paths = [(pair.person, pair.garment, pair.parse, pair.garment_mask) for pair in records.pairs]
        used |= {f"{root.base}{path}".partition("/")[0] for path in itertools.chain(*paths) if path}
        lines = describe_found(name, f"{src}/{root.base}".rstrip("/"), root, records, options, samples)
        click.echo("\n".join(map(escape, lines)))
    if aside := [inner for inner in folder.folders() if inner not in used]:
        click.echo(f"left aside: {', '.join(map(escape, aside))}")


def describe_found(name, src, root, found, options, samples):
    """Yield lines of text that summarize what a layout with some options found."""
    complete = [pair for pair in found.pairs if root.has(pair.person) and root.has(pair.garment)]
    splits = collections.Counter(pair.split or "no split" for pair in complete)
    counts = ", ".join(f"{count} {split}" for split, count in sorted(splits.items()))
    yield f"{name}: {LAYOUTS[name].title}"
    yield (
        f"  {len(complete)} pairs ({counts}), {len(found.pairs) - len(complete)} incomplete, "
        f"{len(found.unpaired)} unpaired rows, {len(found.faults)} faults"
        + (", label maps" if any(pair.parse for pair in complete) else "")
        + (", garment masks" if any(pair.garment_mask for pair in complete) else "")
    )
    yield from (f"  {one_line(pair.person)}  wears  {one_line(pair.garment)}" for pair in complete[:samples])
    yield from (f"  fault: {one_line(f.what)}: {one_line(f.why)}" for f in found.faults[:samples])
    words = ["cagan", "data", name, src, "OUT.h5"]
    for key, value in options.items():
        words += ["--list" if key == "listed" else f"--{key.replace('_', '-')}", value]
    yield f"  {shlex.join(words)}"


def ingest_command(layout):
    """Register the command that imports one layout."""

    def command(src, out, **given):
        from data_prep.ingest import Settings, ingest

        names = [field.name for field in dataclasses.fields(Settings)]
        settings = Settings(**{name: given.pop(name) for name in names})
        report = ingest(layout.name, src, out, settings, given)
        click.echo("\n".join(map(escape, report.lines())))

    command.__doc__ = f"""{layout.title}.

    Reads the photos in the folder SRC and writes the data file OUT, and next to it a report
    (.report.json) and a contact sheet (.sheet.png).  Unusable photos are left out and listed.
    If interrupted, run the same command again to continue.
    """
    for option in reversed((*layout.options, *INGEST_OPTIONS)):
        command = option(command)
    cli.command(layout.name)(command)


FIT_HELP = "Keep the aspect ratio by padding with the photo's border color, or by center cropping."
SPLIT_HELP = "The dataset's own split (by product if it has none); by product; or everything in one split."
DOUBTS_HELP = "Leave out garments whose photo appears to show a person."
MASKS_HELP = "Store label maps and garment masks, and leave out pairs without them."
SHARE_HELP = "Largest share that a split by product holds out."
INGEST_OPTIONS = (
    src_argument,
    out_argument,
    overwrite_option,
    size_option,
    click.option("--fit", type=click.Choice(["pad", "crop"]), default="pad", help=FIT_HELP),
    click.option("--split", type=click.Choice(SPLIT_WAYS), default="given", help=SPLIT_HELP),
    click.option("--test-share", "share", default=0.1, type=click.FloatRange(0, 0.9), help=SHARE_HELP),
    count_option("--seed", default=0, help="Seed of a split by product."),
    click.option("--masks/--no-masks", default=True, help=MASKS_HELP),
    click.option("--drop-doubtful/--keep-doubtful", "drop_doubts", default=True, help=DOUBTS_HELP),
    click.option("--jobs", default=2, type=click.IntRange(1, 256), help="Photos read in parallel."),
)
for _layout in LAYOUTS.values():
    ingest_command(_layout)


ONLY_HELP = "Only styles whose names start with a prefix."
SHRINK_HELP = "Share of the frame that the person's photo fills."
GROUND_HELP = "Gray level of 255 that replaces the photos' white background."


@cli.command("recolors")
@src_argument
@out_argument
@overwrite_option
@size_option
@click.option("--triples", default=200, type=click.IntRange(1), help="Maximum number of swaps.")
@count_option("--seed", default=0, help="Seed for choosing the swaps.")
@click.option("--only", default="", show_default="all", metavar="PREFIX[,PREFIX]", help=ONLY_HELP)
@click.option("--shrink", default=1.0, type=click.FloatRange(0.7, 1), help=SHRINK_HELP)
@click.option("--ground", type=click.IntRange(1, 254), show_default="unchanged", help=GROUND_HELP)
def recolors_command(src, out, size, triples, seed, only, shrink, ground):
    """Photos STYLE-COLOR.jpg that a shop recolored: swaps whose ground truth is a photo.

    Reads the photos in SRC and its subfolders and writes the data file OUT, a test split.  Articles
    are cut from the photos.  Unusable photos are left out and listed.
    """
    from data_prep.recolors.make import Settings, recolor

    prefixes = tuple(part.strip() for part in only.split(",") if part.strip())
    summary = recolor(src, out, Settings(size, triples, seed, prefixes, shrink, ground))
    lines = [
        f"wrote {out}: {summary.triples} true swaps of {summary.styles} styles, {summary.photos} photos",
        *(f"  left out {line}" for line in summary.left_out),
    ]
    if summary.others:
        lines.append(f"  {summary.others} images are not named STYLE-COLOR and were not read")
    click.echo("\n".join(map(escape, lines)))


@cli.command("resize")
@src_argument
@out_argument
@overwrite_option
@size_option
@click.option(
    "--pairs", type=click.IntRange(1), show_default="all", help="Training pairs to keep: the first ones."
)
def resize_command(src, out, size, pairs):
    """Reduce the data file SRC to smaller images, or fewer training pairs.

    One rendering then serves several sizes.  Everything else is kept, the provenance says what was
    reduced.
    """
    from data_prep.resize import resize_file

    count = resize_file(src, out, size, pairs)
    click.echo(f"wrote {out}: {count} images of {size[0]}x{size[1]}")


@cli.command("export")
@click.argument("file", type=click.Path())
@click.argument("out", type=click.Path())
@click.option("--layout", type=click.Choice(list(EXPORTS)), required=True, help="Layout of OUT.")
@click.option("--split", type=click.Choice(SPLITS), default=None, show_default="both", help="Only one split.")
def export_command(file, out, layout, split):
    """Write the pairs of the data file FILE as PNGs in the layout of another program.

    OUT is a new folder.  Its pairs.csv lists all photos with the identities of people and garments.
    triplets: train_x, train_yi and train_yj, each person with another garment.
    """
    click.echo(f"wrote {out}: {export(file, out, layout, split)} pairs")


@cli.command()
@click.argument("file", type=click.Path())
@click.option("--sheet", type=Output("a PNG image"), help="Write a contact sheet (PNG).")
@click.option("--rows", default=4, type=click.IntRange(1, 64), help="Rows of the sheet.")
@click.option("--verify/--no-verify", default=True, help="Read everything to verify the checksums.")
def inspect(file, sheet, rows, verify):
    """Print the schema, counts, splits and provenance of FILE; verify it; draw a contact sheet."""
    from data_prep.inspection import describe, draw_sheet, verify_chunks

    with PhotoFile(file) as photos:
        click.echo("\n".join(map(escape, describe(photos))))
        if verify:
            click.echo(f"checksums: {verify_chunks(photos)} chunks verified")
        if sheet:
            write_atomically(sheet, draw_sheet(photos, rows))


if __name__ == "__main__":
    main(cli)
