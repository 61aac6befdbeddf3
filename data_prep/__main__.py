"""``python -m data_prep``: make or inspect the photo files that CAGAN is trained on."""

import io
import json
import shlex

import click
import numpy as np

from cagan_theano.io.command import Group, Output, main, overwrite_option
from cagan_theano.io.files import write_atomically
from cagan_theano.io.text import one_line, printable
from data_prep.layouts import LAYOUTS, detect, twin_folders
from data_prep.options import size_option
from data_prep.store import KIND, PhotoFile

HELD_OUT, FEWEST = 512, 4  # test pairs by default; a swap needs another garment
SHEET_COLUMNS = 6  # pairs in a row of the contact sheet


@click.group(cls=Group, context_settings={"show_default": True, "max_content_width": 100})
def cli():
    """Make or inspect HDF5 files of human photos x_i and their articles y_i.

    photoshoot renders them; detect and the commands named after layouts read photos of your own.
    """


@cli.command()
@click.argument("out", type=Output(KIND, data=True))
@overwrite_option
@click.option("--pairs", default=15000, help="Pairs to train on (the paper's number).")
@click.option(
    "--wardrobe",
    type=click.Choice(["paper", "shop"]),
    default="paper",
    help="paper: pullovers and hoodies, as in section 3.1; shop: those in the majority, and what "
    "else shops sell.",
)
@size_option
@click.option("--seed", default=0, type=click.IntRange(0), help="Seed of everything random.")
@click.option(
    "--held-out",
    type=click.IntRange(0),
    default=None,
    show_default=f"{HELD_OUT}, or as many as --pairs where those are fewer",
    help="Test pairs, each with one true swap.",
)
@click.option("--true-swaps", default=0, help="True swaps of train pairs, to learn from.")
@click.option("--clutter", is_flag=True, help="A street-like background instead of a studio.")
@click.option(
    "--jobs",
    type=int,
    default=None,
    show_default="the CPUs that it may use",
    help="Processes; the pictures do not depend on it.",
)
def photoshoot(out, pairs, wardrobe, size, seed, held_out, true_swaps, clutter, jobs):
    """Render a procedural photoshoot, people in garments of a wardrobe, to the HDF5 file OUT.

    Interrupted, the same command goes on.
    """
    from data_prep.photoshoot.shoot import shoot

    if held_out is None:
        held_out = min(HELD_OUT, max(pairs, FEWEST))
    shoot(out, pairs, size, seed, held_out, clutter, jobs, true_swaps, wardrobe)
    swaps = f" with {true_swaps} true swaps" if true_swaps else ""
    click.echo(f"wrote {out}: {pairs} pairs to train on{swaps}, {held_out} held out")


@cli.command("detect")
@click.argument("src", type=click.Path())
@click.option("--samples", default=3, type=click.IntRange(0, 100), help="Pairs to show.")
def detect_command(src, samples):
    """Say which layout the folder SRC has, and what it would yield.  No photo is opened."""
    from data_prep.ingest import find
    from data_prep.source import Source

    source = Source(src)
    layouts = detect(source)
    if not layouts:
        raise click.ClickException(f"{src}: has none of the known layouts; {hint(src, source)}")
    for name, inner in layouts:
        click.echo("\n".join(describe_found(name, src, inner, find(LAYOUTS[name], inner), samples)))


def hint(src, source):
    """What to do with a folder of no known layout."""
    twins = twin_folders(source)
    if not twins:
        return "for folders or a list of your own see the commands folders and list"
    return (
        f"its folders {twins[0]!r} and {twins[1]!r} share {twins[2]} names; if they are "
        f"persons and garments: python -m data_prep folders {shlex.quote(src)} OUT.h5 --persons "
        f"{shlex.quote(twins[0])} --garments {shlex.quote(twins[1])}"
    )


def describe_found(name, src, source, found, samples):
    """Lines on what a layout would yield."""
    whole = [pair for pair in found.pairs if source.has(pair.person) and source.has(pair.garment)]
    splits = {
        split or "no split": sum(pair.split == split for pair in whole)
        for split in sorted({pair.split for pair in whole})
    }
    counts = ", ".join(f"{count} {split}" for split, count in splits.items())
    yield f"{name}: {LAYOUTS[name].TITLE}"
    yield (
        f"  {len(whole)} pairs ({counts}), {len(found.pairs) - len(whole)} with a missing side, "
        f"{len(found.unpaired)} rows to try on, {len(found.faults)} faults"
        + (", label maps" if any(pair.parse for pair in whole) else "")
        + (", garment masks" if any(pair.garment_mask for pair in whole) else "")
    )
    yield from (f"  {one_line(pair.person)}  wears  {one_line(pair.garment)}" for pair in whole[:samples])
    yield from (f"  fault: {one_line(f.what)}: {one_line(f.why)}" for f in found.faults[:samples])
    yield f"  python -m data_prep {name} {shlex.quote(src)} OUT.h5"


def ingest_command(name, layout):
    """The command of one layout."""

    def command(src, out, size, fit, split, test_share, seed, masks, drop_doubts, jobs, **options):
        from data_prep.ingest import Settings, ingest

        settings = Settings(size, fit, split, test_share, seed, masks, drop_doubts, jobs)
        report = ingest(name, src, out, settings, options)
        click.echo(printable("\n".join(report.lines())))

    command.__doc__ = f"""{layout.TITLE}.

    Reads the photos in the folder SRC and writes the data file OUT, with OUT's name a report
    (.report.json) and a contact sheet (.sheet.png).  What cannot be used is left out and listed.
    Interrupted, the same command goes on.
    """
    for option in reversed((*getattr(layout, "OPTIONS", ()), *INGEST_OPTIONS)):
        command = option(command)
    return cli.command(name)(command)


INGEST_OPTIONS = (
    click.argument("src", type=click.Path()),
    click.argument("out", type=Output(KIND, data=True)),
    overwrite_option,
    size_option,
    click.option(
        "--fit",
        type=click.Choice(["pad", "crop"]),
        default="pad",
        help="Keep the aspect by a border in the photo's own color, or by cutting.",
    ),
    click.option(
        "--split",
        type=click.Choice(["given", "product", "train", "test"]),
        default="given",
        help="The data set's own, or where it has none by product; by product; or all in one.",
    ),
    click.option(
        "--test-share",
        default=0.1,
        type=click.FloatRange(0, 0.9),
        help="Of a split by product: the share held out, at most.",
    ),
    click.option("--seed", default=0, type=click.IntRange(0), help="Of a split by product."),
    click.option(
        "--masks/--no-masks",
        default=True,
        help="Keep label maps and garment masks, and leave out pairs without.",
    ),
    click.option(
        "--drop-doubtful/--keep-doubtful",
        "drop_doubts",
        default=True,
        help="Leave out garments whose photo seems to be one of a person.",
    ),
    click.option("--jobs", default=2, type=click.IntRange(1, 256), help="Photos read at once."),
)
for _name, _layout in LAYOUTS.items():
    ingest_command(_name, _layout)


@cli.command("recolors")
@click.argument("src", type=click.Path())
@click.argument("out", type=Output(KIND, data=True))
@overwrite_option
@size_option
@click.option("--triples", default=200, type=click.IntRange(1), help="Swaps, at most.")
@click.option("--seed", default=0, type=click.IntRange(0), help="Of the choice of swaps.")
@click.option(
    "--only", default="", metavar="PREFIX[,PREFIX]", help="Styles whose name begins so.  [default: all]"
)
@click.option(
    "--shrink",
    default=1.0,
    type=click.FloatRange(0.7, 1),
    help="Share of the frame that the person's photo takes.",
)
@click.option(
    "--ground",
    type=click.IntRange(1, 254),
    default=None,
    help="Gray in the place of the photos' white ground, of 255.  [default: as it is]",
)
def recolors_command(src, out, size, triples, seed, only, shrink, ground):
    """Photos STYLE-COLOR.jpg, recolored by a shop: swaps of which the true answer is a photo.

    Reads the photos in the folder SRC and below and writes the data file OUT, a test split.  The
    articles are cut from the photos.  What cannot be used is left out and listed.
    """
    from data_prep.recolors.make import Settings, recolor

    prefixes = tuple(part.strip() for part in only.split(",") if part.strip())
    made = recolor(src, out, Settings(size, triples, seed, prefixes, shrink, ground))
    lines = [
        f"wrote {out}: {made.triples} true swaps of {made.styles} styles, {made.photos} photos",
        *(f"  left out {line}" for line in made.left_out),
    ]
    if made.others:
        lines.append(f"  {made.others} images are not called STYLE-COLOR: not read")
    click.echo(printable("\n".join(lines)))


@cli.command()
@click.argument("file", type=click.Path())
@click.option("--sheet", type=Output("a PNG picture"), help="Write a contact sheet (PNG).")
@click.option("--rows", default=4, type=click.IntRange(1, 64), help="Rows of the sheet.")
@click.option("--verify/--no-verify", default=True, help="Read everything to check its checksums.")
def inspect(file, sheet, rows, verify):
    """Print schema, counts, splits and provenance of FILE, verify it, draw a contact sheet."""
    with PhotoFile.open(file) as photos:
        click.echo(f"{file}: {photos.height}x{photos.width} pixels")
        for name in photos.splits:
            click.echo(describe(name, photos.split(name)))
        click.echo("schema:")
        for name, dataset in photos.datasets():
            click.echo(f"  {name} {dataset.dtype} {list(dataset.shape)}")
        click.echo("provenance: " + json.dumps(photos.provenance, sort_keys=True))
        if verify:
            click.echo(f"checksums: {verified(photos)} chunks read, all whole")
        if sheet:
            content = io.BytesIO()
            contact_sheet(photos, rows * SHEET_COLUMNS).save(content, "PNG")
            write_atomically(sheet, content.getvalue())


def verified(photos):
    """Read every chunk of a `PhotoFile`, which checks its checksum; returns how many.

    Raises ValueError for the first that is damaged.
    """
    from tqdm import tqdm

    count = 0
    for _, rows in photos.datasets():
        step = rows.chunk_rows
        for start in tqdm(range(0, len(rows), step), desc="verifying", unit="chunk", leave=False):
            rows[start : start + step]
            count += 1
    return count


def describe(name, part):
    """One line on a split: counts of pairs, persons, garments, swaps and attributes."""
    kind = "true swaps" if part.triples and part.triples.x_ij else "swaps to try"
    swaps = f", {len(part.triples.i)} {kind}" if part.triples else ""
    masks = (", masks" if part.mask else "") + (", garment masks" if part.y_mask else "")
    words = [
        f"{key}: "
        + " ".join(
            f"{word} {int((part.attributes[key] == code).sum())}" for code, word in enumerate(part.names[key])
        )
        for key in part.attributes
    ]
    return "\n  ".join(
        [
            f"{name}: {len(part)} pairs, {len(np.unique(part.person))} persons, "
            f"{len(np.unique(part.garment))} garments{swaps}{masks}"
        ]
        + words
    )


def contact_sheet(photos, count):
    """A PIL image of evenly spaced pairs of each split, `count` together, person beside article."""
    from data_prep.sheet import Cell, draw_sheet, outlined

    sections = []
    for name in photos.splits:
        part = photos.split(name)
        rows = np.unique(np.linspace(0, len(part) - 1, count // len(photos.splits)).astype(int))
        cells = [
            Cell(
                (
                    outlined(part.x[row], part.mask and part.mask[row]),
                    outlined(part.y[row], part.y_mask and part.y_mask[row]),
                ),
                caption_of(part, row),
            )
            for row in rows
        ]
        sections.append((f"{name}: {len(cells)} of {len(part)} pairs, evenly spaced", cells))
    return draw_sheet(
        [photos.path.rpartition("/")[2], "person left, garment right; masks outlined in red"], sections
    )


def caption_of(part, row):
    """The lines under a pair: its files where they are known, and its numbers."""
    files = [part.x_file[row], part.y_file[row]] if part.x_file and part.y_file else []
    return (*files, f"row {row}: person {part.person[row]}, garment {part.garment[row]}")


if __name__ == "__main__":
    main(cli)
