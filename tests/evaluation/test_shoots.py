"""The measuring photoshoots: one change at a time, people of the training set."""

import dataclasses
import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from cagan_theano.config import Config
from cagan_theano.evaluation import evaluate, held_out, measures, shoots
from data_prep.photoshoot import shoot
from data_prep.photoshoot.clothes.garment import WARDROBES
from data_prep.store import PhotoFile

SIZE = (32, 32)
SHOP = shoot.Setting(5, SIZE, wardrobe="shop")


def test_a_controlled_garment_differs_in_its_kind_alone():
    for wardrobe in WARDROBES:
        setting = shoot.Setting(5, SIZE, wardrobe=wardrobe)
        for _, (worn, *others) in itertools.islice(shoots.wearers(setting), 3):
            for garment, (kind, fields) in zip(others, shoots.FIELDS.items()):
                different = {
                    field.name
                    for field in dataclasses.fields(worn)
                    if getattr(worn, field.name) != getattr(garment, field.name)
                }
                assert fields[0] in different <= set(fields), kind


def test_a_controlled_garment_is_one_that_its_wardrobe_has():
    """What no shop sells is no garment: a knitted hoodie, a zip through a print, a tank with sleeves."""
    sold = [shoot.garment_of(SHOP, "test", row) for row in range(300)]
    assert all(map(shoots.is_sold, sold))
    for kind, changes in (
        ("hoodie", dict(pattern="knit")),
        ("pullover", dict(pattern="print", front="half-zip")),
        ("tank", dict(sleeve="long")),
    ):
        garment = next(g for g in sold if g.kind == kind)
        assert not shoots.is_sold(dataclasses.replace(garment, **changes))
    setting = shoot.Setting(5, SIZE, wardrobe="shop")  # so that the tank cannot change its sleeves
    assert shoots.change("sleeve", garment, setting, 0) is None
    assert shoots.change("color", garment, setting, 0).colors != garment.colors


def test_controlled_shoot_has_every_kind_for_every_person(tmp_path):
    shoots.make(tmp_path / "c.h5", "controlled", shoot.Setting(0, SIZE), 4)
    with held_out.open_split(tmp_path / "c.h5", None) as held:
        photos = held.photos
        kinds = measures.kinds_of(photos, held_out.all_swaps(held))
        counts = {name: int(chosen.sum()) for name, chosen in kinds.items()}
        assert counts == {**dict.fromkeys(shoots.FIELDS, 4), "several": 0}
        x, triples = photos.x.load(), photos.triples
        np.testing.assert_array_equal(triples.x_ij.load(), x[triples.j])  # the truth is worn
        color = np.flatnonzero(kinds["color"])[0]
        np.testing.assert_array_equal(photos.mask[int(triples.i[color])], triples.mask[int(color)])


def test_trained_shoot_shows_the_very_training_images(tmp_path):
    shoots.make(tmp_path / "a.h5", "trained", shoot.Setting(3, SIZE, wardrobe="shop"), 4)
    shoot.shoot(tmp_path / "s.h5", 4, SIZE, 3, 4, jobs=1, true_swaps=4, wardrobe="shop")
    with PhotoFile(tmp_path / "a.h5") as made, PhotoFile(tmp_path / "s.h5") as file:
        again, part = made.split("test"), file.split("train")
        np.testing.assert_array_equal(again.x.load(), part.x.load())
        np.testing.assert_array_equal(again.y.load(), part.y.load())
        np.testing.assert_array_equal(again.triples.x_ij.load(), part.triples.x_ij.load())
    with pytest.raises(ValueError, match="at least 4"):
        shoots.make(tmp_path / "few.h5", "trained", shoot.Setting(3, SIZE), 3)


def model_of(provenance, pairs):
    """A network that remembers its training data."""
    return SimpleNamespace(
        config=Config(height=32, width=32), metadata={"data": {"provenance": provenance, "pairs": pairs}}
    )


def test_the_training_set_is_rendered_again_only_for_its_own_held_out_split(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(held_out, "renderings", lambda: tmp_path)
    monkeypatch.setattr(evaluate, "TRAINED", 4)
    shoot.shoot(tmp_path / "s.h5", 0, SIZE, 3, 4, jobs=1)
    with PhotoFile(tmp_path / "s.h5") as file:
        held = held_out.HeldOutSplit("s.h5", file.split("test"), file.provenance)
        origin = {**file.provenance, "arguments": {**file.provenance["arguments"], "pairs": 9}}
        with evaluate.trained_on(model_of(origin, 9), held) as trained:
            assert len(trained.photos) == 4 and len(trained.photos.triples.i) == 4
        shop = {**origin["arguments"], "wardrobe": "shop"}
        one = {**origin["arguments"], "studio": "other"}
        others = {**origin, "seed": 4}, {"program": "x"}, *({**origin, "arguments": a} for a in (shop, one))
        for other in others:
            with evaluate.trained_on(model_of(other, 9), held) as trained:
                assert trained is None
        with evaluate.trained_on(model_of({**origin, "version": 2}, 9), held) as trained:
            assert trained is None
        said = [line for line in capsys.readouterr().err.splitlines() if "no comparison" in line]
        assert said == [
            "no comparison with the training set: it was rendered by version 2 of the "
            f"photoshoot, this is version {shoot.VERSION}"
        ]


def test_the_setting_of_older_training_data():
    """Those of version 2 name no wardrobe: there was the paper's alone."""
    arguments = dict(clutter=False, held_out=512, pairs=15000, size=[128, 96])
    origin = dict(program="data_prep photoshoot", version=2, seed=7, arguments=arguments)
    assert held_out.shoot_setting(model_of(origin, 9)) == shoot.Setting(7, (32, 32), False, "paper")
    origin["arguments"] = arguments | dict(wardrobe="shop", clutter=True)
    assert held_out.shoot_setting(model_of(origin, 9)) == shoot.Setting(7, (32, 32), True, "shop")
    assert held_out.shoot_setting(model_of({}, 9)) == shoot.Setting(0, (32, 32), studio="one")
