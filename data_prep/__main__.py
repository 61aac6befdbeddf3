"""``python -m data_prep``: build or inspect the photo files that CAGAN is trained on."""

import io
import json
import shlex

import click
import numpy as np

from cagan_theano.io.command import Group, Output, main, overwrite_option
from cagan_theano.io.files import write_atomically
from cagan_theano.io.text import one_line, printable
from data_prep.layouts import LAYOUTS, detect, matching_folders
from data_prep.options import size_option
from data_prep.photoshoot.garment import WARDROBES
from data_prep.photoshoot.studio import STUDIOS
from data_prep.store import KIND, PhotoFile

HELD_OUT, FEWEST = 512, 4  # default and minimum number of test pairs: a swap needs another garment
SHEET_COLUMNS = 6  # pairs per row of the contact sheet


@click.group(cls=Group, context_settings={"show_default": True, "max_content_width": 100})
def cli():
    """Build or inspect HDF5 files of human photos x_i and their articles y_i.

    photoshoot renders synthetic pairs; detect and the commands named after dataset layouts read your
    own photos.
    """


@cli.command()
@click.argument("out", type=Output(KIND, data=True))
@overwrite_option
@click.option("--pairs", default=15000, help="Training pairs; the paper has 15000.")
@click.option(
    "--wardrobe",
    type=click.Choice(list(WARDROBES)),
    default="paper",
    help="paper: pullovers and hoodies, as in section 3.1; shop: a broader range of tops, with "
    "pullovers and hoodies the largest part; all: tops, trousers, skirts and dresses, each swapped for "
    "another of its category.",
)
@size_option
@click.option("--seed", default=0, type=click.IntRange(0), help="Random seed.")
@click.option(
    "--held-out",
    type=click.IntRange(0),
    default=None,
    show_default=f"{HELD_OUT}, or --pairs if smaller",
    help="Test pairs, each with one true swap.",
)
@click.option("--true-swaps", default=0, help="True swaps of training pairs, for training with ground truth.")
@click.option(
    "--studio",
    type=click.Choice(list(STUDIOS)),
    default=None,
    show_default="one for the wardrobe paper, otherwise many",
    help="one: a shop whose photos have one style, which the seed chooses: people face the camera, on one "
    "backdrop, in one light; articles are presented in one way; many: every photo has a style of its own, "
    "people any pose.",
)
@click.option("--clutter", is_flag=True, help="Street-like background instead of a studio.")
@click.option(
    "--jobs",
    type=int,
    default=None,
    show_default="available CPUs",
    help="Processes; does not affect the images.",
)
def photoshoot(out, pairs, wardrobe, size, seed, held_out, true_swaps, studio, clutter, jobs):
    """Render a procedural photoshoot, people in garments of a wardrobe, to the HDF5 file OUT.

    If interrupted, run the same command again to continue.
    """
    from data_prep.photoshoot.shoot import shoot

    if held_out is None:
        held_out = min(HELD_OUT, max(pairs, FEWEST))
    shoot(out, pairs, size, seed, held_out, clutter, jobs, true_swaps, wardrobe, studio)
    swaps = f" with {true_swaps} true swaps" if true_swaps else ""
    click.echo(f"wrote {out}: {pairs} training pairs{swaps}, {held_out} held out")


@cli.command("detect")
@click.argument("src", type=click.Path())
@click.option("--samples", default=3, type=click.IntRange(0, 100), help="Pairs to list.")
def detect_command(src, samples):
    """Report which layout the folder SRC has and what it would yield, without opening a photo."""
    from data_prep.ingest import find
    from data_prep.source import Source

    source = Source(src)
    layouts = detect(source)
    if not layouts:
        raise click.ClickException(f"{src}: matches no known layout; {hint(src, source)}")
    for name, inner in layouts:
        layout = LAYOUTS[name]
        options = layout.present(inner) if hasattr(layout, "present") else {}
        found = find(layout, inner, options)
        click.echo("\n".join(describe_found(name, src, inner, found, samples, options)))


def hint(src, source):
    """The cure for a folder that matches no known layout."""
    matching = matching_folders(source)
    if not matching:
        return "for your own folders or list, see the commands folders and list"
    return (
        f"its folders {matching[0]!r} and {matching[1]!r} share {matching[2]} names; if they hold "
        f"persons and garments, run: python -m data_prep folders {shlex.quote(src)} OUT.h5 --persons "
        f"{shlex.quote(matching[0])} --garments {shlex.quote(matching[1])}"
    )


def describe_found(name, src, source, found, samples, options):
    """Yield lines of text that summarize what a layout would yield with some options."""
    complete = [pair for pair in found.pairs if source.has(pair.person) and source.has(pair.garment)]
    splits = {
        split or "no split": sum(pair.split == split for pair in complete)
        for split in sorted({pair.split for pair in complete})
    }
    counts = ", ".join(f"{count} {split}" for split, count in splits.items())
    yield f"{name}: {LAYOUTS[name].TITLE}"
    yield (
        f"  {len(complete)} pairs ({counts}), {len(found.pairs) - len(complete)} incomplete, "
        f"{len(found.unpaired)} unpaired rows, {len(found.faults)} faults"
        + (", label maps" if any(pair.parse for pair in complete) else "")
        + (", garment masks" if any(pair.garment_mask for pair in complete) else "")
    )
    yield from (f"  {one_line(pair.person)}  wears  {one_line(pair.garment)}" for pair in complete[:samples])
    yield from (f"  fault: {one_line(f.what)}: {one_line(f.why)}" for f in found.faults[:samples])
    words = "".join(f" --{option} {value}" for option, values in options.items() for value in values)
    yield f"  python -m data_prep {name} {shlex.quote(src)} OUT.h5{words}"


def ingest_command(name, layout):
    """Register the command that ingests one layout."""

    def command(src, out, size, fit, split, test_share, seed, masks, drop_doubts, jobs, **options):
        from data_prep.ingest import Settings, ingest

        settings = Settings(size, fit, split, test_share, seed, masks, drop_doubts, jobs)
        report = ingest(name, src, out, settings, options)
        click.echo(printable("\n".join(report.lines())))

    command.__doc__ = f"""{layout.TITLE}.

    Reads the photos in the folder SRC and writes the data file OUT, and next to it a report
    (.report.json) and a contact sheet (.sheet.png).  Unusable photos are left out and listed.
    If interrupted, run the same command again to continue.
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
        help="Keep the aspect ratio by padding with the photo's border color, or by center cropping.",
    ),
    click.option(
        "--split",
        type=click.Choice(["given", "product", "train", "test"]),
        default="given",
        help="The dataset's own split (by product if it has none); by product; or everything in one split.",
    ),
    click.option(
        "--test-share",
        default=0.1,
        type=click.FloatRange(0, 0.9),
        help="Largest share that a split by product holds out.",
    ),
    click.option("--seed", default=0, type=click.IntRange(0), help="Seed of a split by product."),
    click.option(
        "--masks/--no-masks",
        default=True,
        help="Store label maps and garment masks, and leave out pairs without them.",
    ),
    click.option(
        "--drop-doubtful/--keep-doubtful",
        "drop_doubts",
        default=True,
        help="Leave out garments whose photo appears to show a person.",
    ),
    click.option("--jobs", default=2, type=click.IntRange(1, 256), help="Photos read in parallel."),
)
for _name, _layout in LAYOUTS.items():
    ingest_command(_name, _layout)


@cli.command("recolors")
@click.argument("src", type=click.Path())
@click.argument("out", type=Output(KIND, data=True))
@overwrite_option
@size_option
@click.option("--triples", default=200, type=click.IntRange(1), help="Maximum number of swaps.")
@click.option("--seed", default=0, type=click.IntRange(0), help="Seed for choosing the swaps.")
@click.option(
    "--only",
    default="",
    show_default="all",
    metavar="PREFIX[,PREFIX]",
    help="Only styles whose names start with a prefix.",
)
@click.option(
    "--shrink",
    default=1.0,
    type=click.FloatRange(0.7, 1),
    help="Share of the frame that the person's photo fills.",
)
@click.option(
    "--ground",
    type=click.IntRange(1, 254),
    default=None,
    help="Gray level of 255 that replaces the photos' white background.  [default: unchanged]",
)
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
    click.echo(printable("\n".join(lines)))


@cli.command("resize")
@click.argument("src", type=click.Path())
@click.argument("out", type=Output(KIND, data=True))
@overwrite_option
@size_option
@click.option(
    "--pairs",
    type=click.IntRange(1),
    default=None,
    show_default="all",
    help="Number of training pairs to keep: the first ones.",
)
def resize_command(src, out, size, pairs):
    """Reduce the data file SRC to smaller images, or fewer training pairs.

    One rendering then serves several sizes.  Everything else is kept, the provenance says what was
    reduced.
    """
    from data_prep.resize import resize_file

    count = resize_file(src, out, size, pairs)
    click.echo(f"wrote {out}: {count} images of {size[0]}x{size[1]}")


@cli.command()
@click.argument("file", type=click.Path())
@click.option("--sheet", type=Output("a PNG image"), help="Write a contact sheet (PNG).")
@click.option("--rows", default=4, type=click.IntRange(1, 64), help="Rows of the sheet.")
@click.option("--verify/--no-verify", default=True, help="Read everything to verify the checksums.")
def inspect(file, sheet, rows, verify):
    """Print the schema, counts, splits and provenance of FILE; verify it; render a contact sheet."""
    with PhotoFile.open(file) as photos:
        click.echo(f"{file}: {photos.height}x{photos.width} pixels")
        for name in photos.splits:
            click.echo(describe(name, photos.split(name)))
        click.echo("schema:")
        for name, dataset in photos.datasets():
            click.echo(f"  {name} {dataset.dtype} {list(dataset.shape)}")
        click.echo("provenance: " + json.dumps(photos.provenance, sort_keys=True))
        if verify:
            click.echo(f"checksums: {verify_chunks(photos)} chunks verified")
        if sheet:
            content = io.BytesIO()
            contact_sheet(photos, rows * SHEET_COLUMNS).save(content, "PNG")
            write_atomically(sheet, content.getvalue())


def verify_chunks(photos):
    """Verify the checksum of every chunk of a `PhotoFile` by reading it; returns the number of chunks.

    Raises ValueError for the first damaged chunk.
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
    """Summary of a split: counts of pairs, persons, garments, swaps and attribute values."""
    kind = "true swaps" if part.triples and part.triples.x_ij else "swaps to try"
    swaps = f", {len(part.triples.i)} {kind}" if part.triples else ""
    masks = (", masks" if part.mask else "") + (", garment masks" if part.y_mask else "")
    words = [
        f"{one_line(key)}: "
        + " ".join(
            f"{one_line(word)} {int((part.attributes[key] == code).sum())}"
            for code, word in enumerate(part.names[key])
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
    """A PIL image of `count` pairs, evenly spaced within each split, person beside article."""
    from data_prep.sheet import Cell, outline_mask, render_sheet

    sections = []
    for name in photos.splits:
        part = photos.split(name)
        rows = np.unique(np.linspace(0, len(part) - 1, count // len(photos.splits)).astype(int))
        cells = [
            Cell(
                (
                    outline_mask(part.x[row], part.mask and part.mask[row]),
                    outline_mask(part.y[row], part.y_mask and part.y_mask[row]),
                ),
                caption_of(part, row),
            )
            for row in rows
        ]
        sections.append((f"{name}: {len(cells)} of {len(part)} pairs, evenly spaced", cells))
    return render_sheet(
        [photos.path.rpartition("/")[2], "person left, garment right; masks outlined in red"], sections
    )


def caption_of(part, row):
    """The caption of a pair: its file names if known, then its row and ids."""
    files = [part.x_file[row], part.y_file[row]] if part.x_file and part.y_file else []
    return (*files, f"row {row}: person {part.person[row]}, garment {part.garment[row]}")


if __name__ == "__main__":
    main(cli)
