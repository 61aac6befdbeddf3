"""The photoshoot with one change at a time."""

import dataclasses
import itertools

import numpy as np
from figure_toys import ToyModel

from cagan_theano.evaluation import held_out, measures
from cagan_theano.studies import controlled
from data_prep.photoshoot import shoot
from data_prep.photoshoot.clothes.garment import WARDROBES

SHOP = shoot.Setting(5, (32, 32), wardrobe="shop")


def test_a_controlled_garment_differs_in_its_kind_alone():
    for wardrobe in WARDROBES:
        setting = dataclasses.replace(SHOP, wardrobe=wardrobe)
        for _, (worn, *others) in itertools.islice(controlled.wearers(setting), 3):
            for garment, (kind, fields) in zip(others, controlled.FIELDS.items()):
                both = dataclasses.asdict(worn), dataclasses.asdict(garment)
                different = {name for name in both[0] if both[0][name] != both[1][name]}
                assert fields[0] in different <= set(fields), kind


def test_a_controlled_garment_is_one_that_its_wardrobe_has():
    """What no shop sells is no garment: a knitted hoodie, a zip through a print, a tank with sleeves."""
    sold = [shoot.garment_of(SHOP, "test", row) for row in range(300)]
    assert all(map(controlled.is_sold, sold))
    for kind, changes in (
        ("hoodie", dict(pattern="knit")),
        ("pullover", dict(pattern="print", front="half-zip")),
        ("tank", dict(sleeve="long")),
    ):
        garment = next(g for g in sold if g.kind == kind)
        assert not controlled.is_sold(dataclasses.replace(garment, **changes))
    assert controlled.change("sleeve", garment, SHOP, 0) is None  # the tank cannot change its sleeves
    assert controlled.change("color", garment, SHOP, 0).colors != garment.colors


def test_the_photos_have_every_kind_for_every_person(tmp_path, monkeypatch):
    monkeypatch.setattr(held_out.cache, "user_folder", lambda: tmp_path)
    model = ToyModel()
    path = controlled.photos(model, 4).made()
    made = path.stat().st_mtime_ns
    assert controlled.photos(model, 4).made().stat().st_mtime_ns == made  # rendered once
    with held_out.open_split(path, model) as held:
        photos = held.photos
        kinds = measures.kinds_of(photos, held_out.all_swaps(held))
        counts = {name: int(chosen.sum()) for name, chosen in kinds.items()}
        assert counts == {**dict.fromkeys(controlled.FIELDS, 4), "several": 0}
        x, triples = photos.x.load(), photos.triples
        np.testing.assert_array_equal(triples.x_ij.load(), x[triples.j])  # the truth is worn
        color = np.flatnonzero(kinds["color"])[0]
        np.testing.assert_array_equal(photos.mask[int(triples.i[color])], triples.mask[int(color)])
