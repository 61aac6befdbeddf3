"""The measuring photoshoots: one change at a time, people of the training set, clutter."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from cagan_theano.config import Config
from data_prep.photoshoot import shoot
from data_prep.store import PhotoFile
from replicate import common, evaluate, measures, shoots

SIZE = (32, 32)


def test_a_controlled_garment_differs_in_its_kind_alone():
    for row in range(0, 36, 6):
        worn = shoot.garment_of(5, "test", row)
        for kind, fields in shoots.FIELDS.items():
            garment = dataclasses.asdict(shoots.changed(kind, worn, 5, row))
            same = [n for n, value in dataclasses.asdict(worn).items() if value == garment[n]]
            assert set(garment) - set(same) <= set(fields), kind
            assert fields[0] not in same, kind
            assert (garment["neckline"], garment["pattern"]) != ("hood", "knit")


def test_controlled_shoot_has_every_kind_for_every_person(tmp_path):
    shoots.make(tmp_path / "c.h5", "controlled", 4, SIZE, 0)
    with PhotoFile(tmp_path / "c.h5") as file:
        photos = file.split("test")
        held = common.Held("c.h5", photos, file.provenance)
        kinds = measures.kinds_of(photos, measures.all_swaps(held))
        assert {name: int(chosen.sum()) for name, chosen in kinds.items()} == {
            **dict.fromkeys(shoots.FIELDS, 4), "several": 0}
        x, triples = photos.x.load(), photos.triples
        np.testing.assert_array_equal(triples.x_ij.load(), x[triples.j])  # the truth is worn
        color = np.flatnonzero(kinds["color"])[0]
        np.testing.assert_array_equal(photos.mask[int(triples.i[color])], triples.mask[int(color)])


def test_trained_shoot_shows_the_very_training_pictures(tmp_path):
    shoots.make(tmp_path / "t.h5", "trained", 5, SIZE, 3)
    shoot.shoot(tmp_path / "s.h5", 5, SIZE, 3, 4, jobs=1)
    with PhotoFile(tmp_path / "t.h5") as made, PhotoFile(tmp_path / "s.h5") as file:
        again, train = made.split("test"), file.split("train")
        np.testing.assert_array_equal(again.x.load(), train.x.load())
        np.testing.assert_array_equal(again.y.load(), train.y.load())
        assert (again.garment[again.triples.i] != again.garment[again.triples.j]).all()


def test_clutter_shoot_is_the_street(tmp_path):
    shoots.make(tmp_path / "c.h5", "clutter", 4, SIZE, 3)
    shoot.shoot(tmp_path / "s.h5", 0, SIZE, 3, 4, True, jobs=1)
    with PhotoFile(tmp_path / "c.h5") as made, PhotoFile(tmp_path / "s.h5") as file:
        for part, other in ((made.split("test"), file.split("test")),):
            np.testing.assert_array_equal(part.x.load(), other.x.load())
            np.testing.assert_array_equal(part.triples.x_ij.load(), other.triples.x_ij.load())
    with pytest.raises(ValueError, match="at least 4"):
        shoots.make(tmp_path / "few.h5", "clutter", 3, SIZE, 0)


def model_of(provenance, pairs):
    """A network that remembers its training data."""
    return SimpleNamespace(config=Config(height=32, width=32),
                           metadata={"data": {"provenance": provenance, "pairs": pairs}})


def test_the_training_set_is_rendered_again_only_for_its_own_held_out_split(tmp_path, monkeypatch):
    monkeypatch.setattr(common, "ROOT", tmp_path)
    monkeypatch.setattr(evaluate, "TRAINED", 5)
    shoot.shoot(tmp_path / "s.h5", 0, SIZE, 3, 4, jobs=1)
    with PhotoFile(tmp_path / "s.h5") as file:
        held = common.Held("s.h5", file.split("test"), file.provenance)
        origin = {**file.provenance, "arguments": {**file.provenance["arguments"], "pairs": 9}}
        with evaluate.trained_on(model_of(origin, 9), held) as trained:
            assert len(trained.photos) == 5 and len(trained.photos.triples.i) == 5
        for other in ({**origin, "seed": 4}, {**origin, "version": -1}, {"program": "x"}):
            with evaluate.trained_on(model_of(other, 9), held) as trained:
                assert trained is None
