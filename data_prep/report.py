"""What comes with every file written from photos: a JSON report and a contact sheet."""

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
from data_prep.sheet import Cell, draw_sheet, outlined
from data_prep.store import unpack

SHOWN = 36  # kept pairs on the sheet
SHOWN_DROPPED = 24
LISTED = 100_000  # entries of each list in the report
MEANINGS = {
    "missing": "one side of the pair is not there",
    "unreadable": "a file is no image, damaged, too large or outside of SRC",
    "mask": "the label map or garment mask cannot be used",
    "blank": "a photo shows nothing",
    "person": "the garment's photo seems to be one of a person",
    "repeat": "the same pair occurs again",
    "crossing": "it shares a product, a person or a photo with the test split",
}


class Report:
    """The facts of one ingestion, gathered as it goes; facts_path and sheet_path beside OUT."""

    def __init__(self, name, src, out, settings, options, base, version):
        stem = os.path.splitext(os.fspath(out))[0]
        self.name, self.out, self.settings = name, os.fspath(out), settings
        self.facts_path, self.sheet_path = f"{stem}.report.json", f"{stem}.sheet.png"
        self.arguments = dataclasses.asdict(settings) | {
            name: printable(value) if isinstance(value, str) else value
            for name, value in (options or {}).items()
        }
        del self.arguments["jobs"]  # which does not change the file
        self.facts = {
            "layout": name,
            "source": os.fspath(src),
            "begins at": base or ".",
            "file": os.path.basename(self.out),
            "arguments": self.arguments,
        }
        self.counts, self.digest, self.sheet, self.version = {}, "", None, version
        self._before = {}

    def found(self, found):
        """Take what the layout found."""
        self.counts = {
            "pairs listed": len(found.pairs),
            "unpaired rows": len(found.unpaired),
            "faults": len(found.faults),
        }
        self.facts["faults"] = [fault._asdict() for fault in found.faults[:LISTED]]

    def planned(self, plan, facts):
        """Take what was decided.  facts: (role, photo) -> `Developed`."""
        splits = collections.Counter(kept.split for kept in plan.kept)
        kinds = collections.Counter(kind_of(drop.why) for drop in plan.dropped)
        photos = [("x", k.pair.person) for k in plan.kept] + [("y", k.pair.garment) for k in plan.kept]
        self.counts |= {
            "train": splits["train"],
            "test": splits["test"],
            "persons": len({kept.person for kept in plan.kept}),
            "garments": len({kept.garment for kept in plan.kept}),
            "swaps to try": len(plan.triples),
            "unpaired rows without both pairs": plan.lost,
            "near repeats among photos": plan.repeats,
            "photos smaller than the size": sum(facts[p].enlarged for p in dict.fromkeys(photos)),
            "doubtful and kept": len(plan.suspects),
            "dropped": dict(sorted(kinds.items())),
        }
        self.facts["dropped"] = [entry(drop) for drop in plan.dropped[:LISTED]]
        self.facts["doubtful and kept"] = [entry(drop) for drop in plan.suspects[:LISTED]]
        digest = hashlib.sha256(b"".join(facts[photo].digest for photo in photos))
        self.digest = digest.hexdigest()

    def provenance(self):
        """What the data file says of where it is from: no path, no time."""
        return {
            "program": f"data_prep {self.name}",
            "version": self.version,
            "arguments": self.arguments,
            "counts": self.counts,
            "photos": self.digest,
        }

    def why_none(self):
        """The commonest reasons for which nothing is left, in a few words."""
        reasons = [
            f"{count} {kind}"
            for kind, count in sorted(self.counts.get("dropped", {}).items(), key=lambda item: -item[1])[:3]
        ]
        if not reasons and self.facts["faults"]:
            first = self.facts["faults"][0]
            reasons = [f"faults: {self.counts['faults']}, the first: {first['what']}: {first['why']}"]
        return ", ".join(reasons) or "nothing looks like it"

    def lines(self):
        """The summary as lines of text."""
        c = self.counts
        yield (
            f"wrote {self.out}: {c['train']} pairs to train on, {c['test']} in the test split, "
            f"{c['swaps to try']} swaps to try; {c['persons']} persons, "
            f"{c['garments']} garments"
        )
        for kind, count in c["dropped"].items():
            yield f"  left out {count}: {MEANINGS.get(kind, kind)}"
        if c["faults"]:
            yield f"  {c['faults']} files or lines of lists could not be used"
        if c["photos smaller than the size"]:
            yield f"  {c['photos smaller than the size']} photos are smaller than wanted: enlarged"
        yield f"see {self.facts_path} and {self.sheet_path}"

    def draw(self, plan, pictures):
        """Draw the sheet.  pictures: (role, photo) -> (pixels, mask), packed or None."""

        def photo(role, path):
            pixels, mask = pictures((role, path))
            height, width = self.settings.size
            shown = pixels and unpack(pixels, (height, width, 3))
            return outlined(shown, mask and unpack(mask, (height, width)))

        def cell(pair, *more):
            return Cell(
                (photo("x", pair.person), photo("y", pair.garment)), (pair.person, pair.garment, *more)
            )

        kept = [cell(k.pair, f"{k.split}, garment {k.garment}") for k in spread(plan.kept, SHOWN)]
        dropped = [cell(drop.pair, drop.why) for drop in of_each_kind(plan.dropped, SHOWN_DROPPED)]
        c, total = self.counts, len(plan.kept)
        title = [
            f"{os.path.basename(self.out)}: {c['train']} pairs to train on, {c['test']} in "
            f"the test split, {len(plan.dropped)} left out",
            f"layout {self.name}; {self.settings.size[0]}x{self.settings.size[1]} pixels, "
            f"{self.settings.fit}; person left, garment right; masks outlined in red",
        ]
        self.sheet = draw_sheet(
            title,
            [
                (f"Kept: {len(kept)} of {total}, evenly spaced", kept),
                (f"Left out: {len(dropped)} of {len(plan.dropped)}, some of each kind", dropped),
            ],
        )

    def write_facts(self):
        """Write the JSON report."""
        facts = {**self.facts, "counts": self.counts, "photos": self.digest}
        write_atomically(self.facts_path, json.dumps(facts, indent=1) + "\n")

    def write(self):
        """Write report and sheet; `take_back` undoes it."""
        for path in (self.facts_path, self.sheet_path):
            self._before[path] = Path(path).read_bytes() if os.path.exists(path) else None
        self.write_facts()
        content = io.BytesIO()
        self.sheet.save(content, "PNG", compress_level=1)
        write_atomically(self.sheet_path, content.getvalue())

    def take_back(self):
        """Put back what was there before `write`: the data file that they belong to was not made."""
        for path, before in self._before.items():
            if before is None:
                Path(path).unlink(missing_ok=True)
            else:
                write_atomically(path, before)


def kind_of(why):
    """The kind before the colon of a reason."""
    return why.partition(":")[0]


def entry(drop):
    """A `plan.Drop` as the report lists it."""
    return {"person": drop.pair.person, "garment": drop.pair.garment, "why": drop.why}


def spread(rows, count):
    """Up to `count` of some rows, evenly spaced."""
    places = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), count)).astype(int))
    return [rows[place] for place in places]


def of_each_kind(drops, count):
    """Up to `count` drops, taking turns among the kinds."""
    kinds = collections.defaultdict(list)
    for drop in drops:
        kinds[kind_of(drop.why)].append(drop)
    turns = sorted(
        (turn, kind, drop) for kind, those in kinds.items() for turn, drop in enumerate(those[:count])
    )
    return [drop for _, _, drop in sorted(turns[:count], key=lambda row: row[1:])]
