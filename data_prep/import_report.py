"""The JSON report and the contact sheet that accompany every imported data file."""

import collections
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from cagan_theano.io.text import printable
from data_prep.inspection import LEGEND, Cell, Pixels, choose_evenly, contact_sheet, outline_mask
from data_prep.layouts.records import Fault, Pair
from data_prep.selection import Drop, Photos, Selection
from data_prep.store import Packed, unpack

SHEET_KEPT, EXAMPLES = 24, 2  # numbers of kept pairs on the sheet, and of dropped ones of each kind
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


class ImportReport:
    """The report of one import, collected step by step; json_path and sheet_path are next to OUT.

    name: of the layout; arguments: what the file depends on.
    """

    def __init__(self, name: str, src: object, out: object, base: str, arguments: dict[str, Any]) -> None:
        self.name, self.out = name, str(out)
        stem = os.path.splitext(self.out)[0]
        self.json_path, self.sheet_path = f"{stem}.report.json", f"{stem}.sheet.png"
        self.arguments = {k: printable(v) if isinstance(v, str) else v for k, v in arguments.items()}
        self.counts: dict[str, Any] = {}
        self.contents: dict[str, Any] = {"layout": name, "source": str(src), "begins at": base or "."}
        self.contents |= {"file": os.path.basename(self.out)}
        self.contents |= {"arguments": self.arguments, "counts": self.counts}

    def add_records(self, pairs: int, unpaired: int, faults: Sequence[Fault]) -> None:
        """Add what the layout found."""
        self.counts.update({"pairs listed": pairs, "unpaired rows": unpaired, "faults": len(faults)})
        self.contents["faults"] = [fault._asdict() for fault in faults[:LISTED]]

    def add_selection(self, selection: Selection, photos: Photos) -> None:
        """Add what was kept and dropped."""
        kept = selection.kept
        splits = collections.Counter(one.split for one in kept)
        keys = [("x", one.pair.person) for one in kept] + [("y", one.pair.garment) for one in kept]
        self.counts |= {
            "train": splits["train"],
            "test": splits["test"],
            "persons": len({one.person for one in kept}),
            "garments": len({one.garment for one in kept}),
            "swaps to try": len(selection.triples),
            "unpaired rows without both pairs": selection.unmatched,
            "near repeats among photos": selection.repeats,
            "photos smaller than the size": sum(photos[key].enlarged for key in dict.fromkeys(keys)),
            "doubtful and kept": len(selection.suspects),
            "dropped": dict(sorted(collections.Counter(drop.kind for drop in selection.dropped).items())),
        }
        for title, drops in (("dropped", selection.dropped), ("doubtful and kept", selection.suspects)):
            rows = ((drop.pair.person, drop.pair.garment, drop.why) for drop in drops[:LISTED])
            self.contents[title] = [dict(zip(("person", "garment", "why"), row)) for row in rows]
        digests = (bytes.fromhex(photos[key].digest) for key in keys)
        self.contents["photos"] = hashlib.sha256(b"".join(digests)).hexdigest()

    def provenance(self, version: int) -> dict[str, Any]:
        """The provenance of the data file: no paths, no times."""
        parts = {key: self.contents[key] for key in ("arguments", "counts", "photos")}
        return {"program": f"data_prep {self.name}", "version": version, **parts}

    def main_reasons(self) -> str:
        """The most common reasons why no pair is left, in a few words."""
        dropped = self.counts.get("dropped", {})
        reasons = [f"{dropped[kind]} {kind}" for kind in sorted(dropped, key=dropped.__getitem__)[:-4:-1]]
        if not reasons and self.contents["faults"]:
            first = self.contents["faults"][0]
            reasons = [f"faults: {self.counts['faults']}, the first: {first['what']}: {first['why']}"]
        return ", ".join(reasons) or "no file matches"

    def lines(self) -> Iterator[str]:
        """Yield the lines of the printed summary."""
        c = self.counts
        pairs = f"{c['train']} training pairs, {c['test']} test pairs, {c['swaps to try']} swaps to try"
        yield f"wrote {self.out}: {pairs}; {c['persons']} persons, {c['garments']} garments"
        for kind, count in c["dropped"].items():
            yield f"  left out {count}: {MEANINGS.get(kind, kind)}"
        if c["faults"]:
            yield f"  {c['faults']} unusable files or list lines"
        if c["photos smaller than the size"]:
            yield f"  {c['photos smaller than the size']} photos enlarged to the target size"
        if c["garments"] < 2:
            yield "  a swap needs two garments, and this file has one; add photos before you train on it"
        elif not c["test"] and self.arguments["split"] in ("given", "product"):
            few = f"{self.arguments['share']:.0%} of these pairs is too few to hold out whole products"
            yield f"  no test split: {few}; give more photos, or a larger --test-share"
        yield f"see {self.json_path} and {self.sheet_path}"

    def draw_sheet(
        self, selection: Selection, size: tuple[int, int], images: Callable[[str, str], Mapping[str, Packed]]
    ) -> bytes:
        """The PNG of the contact sheet.  images(role, path): a photo's packed pixels and mask, by name."""

        def photo(role: str, path: str) -> Pixels | None:
            packed = images(role, path)
            pixels = unpack(packed["pixels"], (*size, 3)) if "pixels" in packed else None
            return outline_mask(pixels, unpack(packed["mask"], size) if "mask" in packed else None)

        def cell(pair: Pair, word: str) -> Cell:
            photos = photo("x", pair.person), photo("y", pair.garment)
            return Cell(photos, (pair.person, pair.garment, word))

        chosen = [selection.kept[row] for row in choose_evenly(len(selection.kept), SHEET_KEPT)]
        kept = [cell(one.pair, f"{one.split}, garment {one.garment}") for one in chosen]
        kinds: dict[str, list[Drop]] = {}
        for drop in selection.dropped:
            kinds.setdefault(drop.kind, []).append(drop)
        dropped = [cell(drop.pair, drop.why) for kind in sorted(kinds) for drop in kinds[kind][:EXAMPLES]]
        pairs = f"{self.counts['train']} training pairs, {self.counts['test']} test pairs"
        title = f"{os.path.basename(self.out)}: {pairs}, {len(selection.dropped)} left out"
        about = f"layout {self.name}; {size[0]}x{size[1]} pixels, {self.arguments['fit']}; {LEGEND}"
        few = f"Kept: {len(kept)} of {len(selection.kept)}, evenly spaced"
        some = f"Left out: {len(dropped)} of {len(selection.dropped)}, some of each kind"
        return contact_sheet([title, about], [(few, kept), (some, dropped)])

    def to_json(self) -> str:
        """The contents of the JSON report."""
        return json.dumps(self.contents, indent=1) + "\n"
