"""The JSON report and the contact sheet that accompany every ingested data file."""

import collections
import dataclasses
import hashlib
import io
import json
import os
from pathlib import Path

import numpy as np

from cagan_theano.io.files import write_atomically
from cagan_theano.io.text import printable
from data_prep.sheet import Cell, outline_mask, render_sheet
from data_prep.store import unpack

SHEET_KEPT, SHEET_DROPPED = 36, 24  # maximum numbers of kept and dropped pairs on the sheet
LISTED = 100_000  # maximum entries of each list in the report
MEANINGS = {
    "missing": "one side of the pair is missing",
    "unreadable": "a file is not an image, damaged, too large or outside SRC",
    "mask": "the label map or garment mask cannot be used",
    "blank": "a photo is blank",
    "person": "the garment's photo appears to show a person",
    "repeat": "a repeat of another pair",
    "crossing": "shares a product, a person or a photo with the test split",
}


class Report:
    """The report of one ingestion, collected step by step; json_path and sheet_path are next to OUT."""

    def __init__(self, name, src, out, settings, options, base, version):
        stem = os.path.splitext(os.fspath(out))[0]
        self.name, self.out, self.settings = name, os.fspath(out), settings
        self.json_path, self.sheet_path = f"{stem}.report.json", f"{stem}.sheet.png"
        self.arguments = dataclasses.asdict(settings) | {
            name: printable(value) if isinstance(value, str) else value
            for name, value in (options or {}).items()
        }
        del self.arguments["jobs"]  # does not affect the file
        self.contents = {
            "layout": name,
            "source": os.fspath(src),
            "begins at": base or ".",
            "file": os.path.basename(self.out),
            "arguments": self.arguments,
        }
        self.counts, self.digest, self.sheet, self.version = {}, "", None, version
        self._before = {}

    def add_records(self, found):
        """Add what the layout found, an `ingest.Found`."""
        self.counts = {
            "pairs listed": len(found.pairs),
            "unpaired rows": len(found.unpaired),
            "faults": len(found.faults),
        }
        self.contents["faults"] = [fault._asdict() for fault in found.faults[:LISTED]]

    def add_plan(self, plan, metadata):
        """Add the `plan.Plan`.  metadata: (role, path) -> `Developed`."""
        splits = collections.Counter(kept.split for kept in plan.kept)
        kinds = collections.Counter(kind_of(drop.why) for drop in plan.dropped)
        photos = [("x", k.pair.person) for k in plan.kept] + [("y", k.pair.garment) for k in plan.kept]
        self.counts |= {
            "train": splits["train"],
            "test": splits["test"],
            "persons": len({kept.person for kept in plan.kept}),
            "garments": len({kept.garment for kept in plan.kept}),
            "swaps to try": len(plan.triples),
            "unpaired rows without both pairs": plan.unmatched,
            "near repeats among photos": plan.repeats,
            "photos smaller than the size": sum(metadata[p].enlarged for p in dict.fromkeys(photos)),
            "doubtful and kept": len(plan.suspects),
            "dropped": dict(sorted(kinds.items())),
        }
        self.contents["dropped"] = [entry(drop) for drop in plan.dropped[:LISTED]]
        self.contents["doubtful and kept"] = [entry(drop) for drop in plan.suspects[:LISTED]]
        digest = hashlib.sha256(b"".join(metadata[photo].digest for photo in photos))
        self.digest = digest.hexdigest()

    def provenance(self):
        """The provenance of the data file: no paths, no times."""
        return {
            "program": f"data_prep {self.name}",
            "version": self.version,
            "arguments": self.arguments,
            "counts": self.counts,
            "photos": self.digest,
        }

    def main_reasons(self):
        """The most common reasons why no pair is left, in a few words."""
        reasons = [
            f"{count} {kind}"
            for kind, count in sorted(self.counts.get("dropped", {}).items(), key=lambda item: -item[1])[:3]
        ]
        if not reasons and self.contents["faults"]:
            first = self.contents["faults"][0]
            reasons = [f"faults: {self.counts['faults']}, the first: {first['what']}: {first['why']}"]
        return ", ".join(reasons) or "no file matches"

    def lines(self):
        """Yield the lines of the printed summary."""
        c = self.counts
        yield (
            f"wrote {self.out}: {c['train']} training pairs, {c['test']} test pairs, "
            f"{c['swaps to try']} swaps to try; {c['persons']} persons, "
            f"{c['garments']} garments"
        )
        for kind, count in c["dropped"].items():
            yield f"  left out {count}: {MEANINGS.get(kind, kind)}"
        if c["faults"]:
            yield f"  {c['faults']} unusable files or list lines"
        if c["photos smaller than the size"]:
            yield f"  {c['photos smaller than the size']} photos enlarged to the target size"
        yield f"see {self.json_path} and {self.sheet_path}"

    def render_sheet(self, plan, images):
        """Render the contact sheet.  images: (role, path) -> (pixels, mask), packed or None."""

        def photo(role, path):
            pixels, mask = images((role, path))
            height, width = self.settings.size
            image = pixels and unpack(pixels, (height, width, 3))
            return outline_mask(image, mask and unpack(mask, (height, width)))

        def cell(pair, *more):
            return Cell(
                (photo("x", pair.person), photo("y", pair.garment)), (pair.person, pair.garment, *more)
            )

        kept = [cell(k.pair, f"{k.split}, garment {k.garment}") for k in evenly_spaced(plan.kept, SHEET_KEPT)]
        dropped = [cell(drop.pair, drop.why) for drop in of_each_kind(plan.dropped, SHEET_DROPPED)]
        c, total = self.counts, len(plan.kept)
        title = [
            f"{os.path.basename(self.out)}: {c['train']} training pairs, {c['test']} test pairs, "
            f"{len(plan.dropped)} left out",
            f"layout {self.name}; {self.settings.size[0]}x{self.settings.size[1]} pixels, "
            f"{self.settings.fit}; person left, garment right; masks outlined in red",
        ]
        self.sheet = render_sheet(
            title,
            [
                (f"Kept: {len(kept)} of {total}, evenly spaced", kept),
                (f"Left out: {len(dropped)} of {len(plan.dropped)}, some of each kind", dropped),
            ],
        )

    def write_json(self):
        """Write the JSON report."""
        contents = {**self.contents, "counts": self.counts, "photos": self.digest}
        write_atomically(self.json_path, json.dumps(contents, indent=1) + "\n")

    def write(self):
        """Write the report and the sheet; `restore` undoes it."""
        for path in (self.json_path, self.sheet_path):
            self._before[path] = Path(path).read_bytes() if os.path.exists(path) else None
        self.write_json()
        content = io.BytesIO()
        self.sheet.save(content, "PNG", compress_level=1)
        write_atomically(self.sheet_path, content.getvalue())

    def restore(self):
        """Restore the files that `write` replaced, because the data file could not be written."""
        for path, before in self._before.items():
            if before is None:
                Path(path).unlink(missing_ok=True)
            else:
                write_atomically(path, before)


def kind_of(why):
    """The kind of a reason "KIND: detail"."""
    return why.partition(":")[0]


def entry(drop):
    """The entry of a `plan.Drop` in the report."""
    return {"person": drop.pair.person, "garment": drop.pair.garment, "why": drop.why}


def evenly_spaced(rows, count):
    """Up to `count` evenly spaced elements of a list."""
    indices = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), count)).astype(int))
    return [rows[index] for index in indices]


def of_each_kind(drops, count):
    """Up to `count` drops, spread evenly over the kinds and sorted by kind."""
    kinds = collections.defaultdict(list)
    for drop in drops:
        kinds[kind_of(drop.why)].append(drop)
    turns = sorted(
        (turn, kind, drop) for kind, same in kinds.items() for turn, drop in enumerate(same[:count])
    )
    return [drop for _, _, drop in sorted(turns[:count], key=lambda row: row[1:])]
