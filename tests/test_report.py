"""The HTML report: whole, escaped, self-contained, and honest about other weights."""

import json
import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from figure_toys import human
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cagan_theano import studies
from cagan_theano.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from cagan_theano.config import Config
from cagan_theano.io.command import main
from cagan_theano.io.metadata import SHOT
from cagan_theano.studies import report
from cagan_theano.training.command import train
from cagan_theano.training.run_folder import RunFolder
from data_prep.photoshoot import shoot

EVIL = "<script>alert('x')</script> & \"quotes\""
VOID = {"meta", "img", "br", "link"}


class Outline(HTMLParser):
    """Tags in order; an error for one that is closed by another."""

    def __init__(self, text):
        super().__init__()
        self.open, self.sources, self.headings, self.tags = [], [], [], set()
        self.feed(text)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.sources += [value for name, value in attributes if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another"

    def handle_data(self, data):
        if self.open[-1:] == ["h2"]:
            self.headings.append(data)


@pytest.fixture()
def inputs(tmp_path):
    """A checkpoint, one of its figures and one of another's, an evaluation, a comparison, a run."""
    config = Config(steps=10, gamma_c=0.5, copies_d=False)
    data = {
        "pairs": 40,
        "provenance": {
            "program": "data_prep photoshoot",
            "seed": 3,
            "version": shoot.VERSION,
            "arguments": {"clutter": True, "held_out": 8},
        },
    }
    weights = {"encoder1.W": np.zeros((1, 2), "float32")}
    path = tmp_path / "toy.h5"
    sha256 = save_checkpoint(
        path,
        Checkpoint(
            config,
            7,
            weights,
            weights,
            metadata={"note": EVIL, "data": data, "versions": {"numpy": "1.0"}, "seconds": 5400.0},
        ),
    )
    figures, results = tmp_path / "figures", tmp_path / "results"
    figures.mkdir()
    for name, digest in (("figure4", sha256), ("figure10", "f" * 64)):
        attributes = PngInfo()
        for one in (("Title", f"Title {name}"), ("Checkpoint-SHA256", digest), ("Step", "7")):
            attributes.add_text(*one)
        Image.fromarray(human(0, 0)).save(figures / f"{name}.png", pnginfo=attributes)
    entry = {"value": 0.5, "low": 0.4, "high": 0.6, "meaning": EVIL}
    evaluation = {
        "sha256": sha256,
        "n": 12,
        "data": "d.h5",
        "interval": "95%",
        "checkpoint": "c",
        "step": 7,
        "measures": {"outside": entry, "inside": {**entry, "low": None}},
    }
    (tmp_path / "evaluation.json").write_text(json.dumps(evaluation))
    run = RunFolder(tmp_path / "run")
    with run:
        run.write_config(config)
        run.open_log(0)
        for step in range(1, 6):
            run.log({"step": step, "loss_D": 2.0, "loss_G": 1.0 / step})
    return SimpleNamespace(
        path=path,
        figures=figures,
        results=results,
        folder=tmp_path,
        evaluation=tmp_path / "evaluation.json",
        run=tmp_path / "run",
        stored=evaluation,
    )


def made(inputs, **more):
    """The page of the toy replication."""
    return report.page(inputs.path, figures=inputs.figures, results=inputs.results, **more)


def test_a_whole_page_loads_and_runs_nothing(inputs):
    page = made(inputs, run=inputs.run, evaluation=inputs.evaluation)
    outline = Outline(page)
    assert all(source.startswith(("data:image/png;base64,", "#")) for source in outline.sources)
    assert not {"script", "link", "iframe"} & outline.tags
    assert not re.search(r"url\(|@import|onload|onerror", page)
    assert outline.headings == [
        "Weights",
        "Measures",
        "Training",
        "Figures",
        "Settings",
        "How to reproduce it",
    ]
    anchors = [source[1:] for source in outline.sources if source.startswith("#")]
    assert len(anchors) == 6 and all(f'<section id="{anchor}">' in page for anchor in anchors)
    assert made(inputs) == made(inputs)


def test_what_comes_from_files_is_escaped(inputs):
    page = made(inputs, evaluation=inputs.evaluation)
    assert "<script" not in page and page.count("&lt;script&gt;") == 3  # note and two meanings


def test_the_numbers_and_the_settings_that_differ_are_there(inputs):
    page = made(inputs, evaluation=inputs.evaluation)
    assert "stopped at step 7 of 10" in page and "1.50 hours" in page
    assert "12 held-out swaps of d.h5" in page and "[0.4000, 0.6000]" in page
    assert page.index(">inside<") < page.index(">outside<")  # the order of evaluate.py
    changed = re.findall(r'class="changed"><th scope="row">(\w+)<', page)
    assert changed == ["copies_d", "gamma_c", "steps"]
    assert "--run runs/again --no-copies-d --gamma-c 0.5 --steps 10" in page
    assert "--pairs 40 --size 128x96 --seed 3 --held-out 8 --clutter" in page
    assert "cannot be rendered again" not in page


def test_data_of_an_older_photoshoot_are_said_to_be_gone():
    origin = {
        "program": "data_prep photoshoot",
        "seed": 3,
        "version": 2,
        "arguments": {"wardrobe": "shop", "true_swaps": 9},
    }
    checkpoint = SimpleNamespace(config=Config(), metadata={"data": {"pairs": 40, "provenance": origin}})
    comment, command, *_ = report.commands_of("c.h5", checkpoint, [])
    assert comment.startswith("# ") and "version 2 of the photoshoot" in comment
    assert command.endswith("--seed 3 --wardrobe shop --true-swaps 9")


def test_reduced_data_and_the_weights_a_training_started_from():
    """The printed commands of a training on reduced images, from shipped and from other weights."""
    given = {"pairs": 60, "size": [256, 192], "held_out": 8, "true_swaps": 9, "clutter": False}
    origin = {"program": SHOT, "seed": 3, "version": shoot.VERSION, "arguments": given}
    origin |= {"resized": [128, 96], "first_pairs": 40}
    start = load_checkpoint("dress_128x96")
    config = Config(skip_relu=True, copies_d=False, steps=700)
    about = {
        "data": {"pairs": 40, "provenance": origin},
        "init": {"sha256": start.sha256, "step": start.step},
    }
    lines = report.commands_of("c.h5", SimpleNamespace(config=config, metadata=about), [])
    assert lines[:3] == [
        "python -m data_prep photoshoot rendered.h5 --pairs 60 --size 256x192 --seed 3 --held-out 8 "
        "--true-swaps 9",
        "python -m data_prep resize rendered.h5 train.h5 --size 128x96 --pairs 40",
        "python -m cagan_theano train --data train.h5 --run runs/again --skip-relu --no-copies-d --steps 700 "
        "--init dress_128x96",
    ]
    with train.make_context("train", shlex.split(lines[2])[4:]) as context:  # its own parser
        assert [context.params[name] for name in ("skip_relu", "copies_d", "steps")] == [True, False, 700]
    about["init"] = {"sha256": "ab" * 32, "step": 9}
    comment, command = report.training_commands(SimpleNamespace(config=config, metadata=about))
    assert comment.startswith("# start.h5: ") and "step 9, sha256 abab" in comment
    assert command.endswith("--init start.h5")


def test_figures_in_order_and_those_of_other_weights_marked(inputs):
    page = made(inputs)
    four, ten = page.index("Title figure4"), page.index("Title figure10")
    warning = page.index("Made with OTHER weights: sha256 ffffffffffff.")
    assert four < ten < warning and page.count("Made with OTHER") == 1


def test_a_figure_of_other_shipped_weights_has_a_note_and_its_own_command(inputs, monkeypatch):
    """Figure 5 is made with the shipped 256x192 weights, whichever the report is on."""
    other = inputs.folder / "cagan_256x192.h5"
    arrays = {"encoder1.W": np.ones((1, 2), "float32")}
    digest = save_checkpoint(other, Checkpoint(Config(), 7, arrays, arrays))
    monkeypatch.setattr(report.weights, "folder", lambda: inputs.folder)
    attributes = PngInfo()
    for one in (("Checkpoint-SHA256", digest), ("Checkpoint", other.name)):
        attributes.add_text(*one)
    Image.fromarray(human(0, 0)).save(inputs.figures / "figure5.png", pnginfo=attributes)
    page = made(inputs)
    assert "Made with other shipped weights than this report&#39;s: cagan_256x192.h5." in page
    assert "replicate/figure5.py --checkpoint checkpoints/cagan_256x192.h5" in page
    assert "replicate/figure4.py --checkpoint checkpoints/toy.h5" in page
    assert not report.is_shipped("heldout_128x96.h5", digest) and not report.is_shipped("", digest)


def test_every_table_can_scroll(inputs):
    page = made(inputs, evaluation=inputs.evaluation)
    assert page.count("<table") == len(re.findall(r'<div class="wide"[^>]*><table', page))
    assert page.count('<p class="hint">') == page.count('<div class="wide" tabindex="0">') > 0


def test_an_evaluation_of_other_weights_is_marked(inputs):
    inputs.evaluation.write_text(json.dumps({**inputs.stored, "sha256": "0" * 64}))
    assert "with OTHER weights: c, step 7" in made(inputs, evaluation=inputs.evaluation)


def test_claims_with_their_verdicts(inputs, monkeypatch):
    entry = {"error": {"value": 0.25, "low": 0.2, "high": 0.3}}

    def judge(shipped, studies, training):
        assert shipped["n"] == 12 and set(studies) == {"ablations_a.json"} and training is None
        return SimpleNamespace(verdict="partly", remark="few steps", entries=entry)

    verdicts = SimpleNamespace(
        CLAIMS=[SimpleNamespace(title="It learns", where="section 4", rule="below 0.3", judge=judge)]
    )
    monkeypatch.setitem(sys.modules, "cagan_theano.studies.verdicts", verdicts)
    monkeypatch.setattr(studies, "verdicts", verdicts, raising=False)
    inputs.results.mkdir()
    (inputs.results / "shipped.json").write_text(json.dumps(inputs.stored))
    (inputs.results / "ablations_a.json").write_text("{}")
    page = made(inputs)
    assert '<span class="partly">partly</span>' in page and "few steps" in page
    assert "Measured with OTHER" not in page
    (inputs.results / "shipped.json").write_text(json.dumps({**inputs.stored, "sha256": "0" * 64}))
    assert made(inputs).count("Measured with OTHER weights") == 2  # beside the claims, beside the measures
    assert "0.2500" in page and "[0.2000, 0.3000]" in page and "12 held-out swaps" in page


def test_the_comparison_has_ours_first_and_the_baselines_last(inputs):
    from cagan_theano.evaluation.systems import WITHOUT_ALPHA

    entry = {"value": 0.5, "low": 0.4, "high": 0.6, "above_ours": {"low": 0.1, "high": 0.2}}
    names = ("other", "flat fill", "ours", "unchanged")
    stored = {
        "n": 3,
        "ours": "ours",
        "systems": ["other"],
        "measures": {name: dict.fromkeys(WITHOUT_ALPHA, entry) for name in names},
    }
    (inputs.figures / "compare.json").write_text(json.dumps(stored))
    page = made(inputs)
    heads = re.findall(r"<th>([^<]*)</th>", page[page.index('id="comparison"') :])[:5]
    assert heads == ["measure", "ours", "other", "unchanged", "flat fill"]
    assert "0.500 [0.400, 0.600]*" in page


@pytest.mark.parametrize(
    "name, content, fault",
    [
        ("evaluation.json", "{", "is not JSON"),
        ("evaluation.json", "[]", "does not contain a JSON object"),
        ("evaluation.json", '{"n": 1}', "is not in the format of its program's results"),
        ("figures/figure2.png", "no picture", "is not a PNG file"),
    ],
)
def test_damaged_files_are_one_line(inputs, capsys, name, content, fault):
    (inputs.folder / name).write_text(content)
    out = inputs.folder / "out.html"
    with pytest.raises(SystemExit):
        main(
            report.command,
            [
                str(out),
                "--checkpoint",
                str(inputs.path),
                "--evaluation",
                str(inputs.evaluation),
                "--figures",
                str(inputs.figures),
            ],
        )
    text = capsys.readouterr().err
    assert fault in text and len(text.splitlines()) == 1 and not out.exists()


def test_the_command_and_what_is_missing(inputs, capsys):
    out = inputs.folder / "out.html"
    words = [str(out), "--checkpoint", str(inputs.path), "--figures", "none", "--results", "none"]
    with pytest.raises(SystemExit) as left:
        main(report.command, words)
    assert left.value.code == 0 and out.read_text().startswith("<!DOCTYPE html>")
    assert Outline(out.read_text()).headings == ["Weights", "Settings", "How to reproduce it"]
    for option, fault in (("--evaluation", "no such file"), ("--run", "contains no training")):
        with pytest.raises(SystemExit):
            main(report.command, [*words, option, "nothing"])
        assert fault in capsys.readouterr().err


def test_curves_of_stored_results_have_losses_and_held_out_scores(tmp_path, monkeypatch):
    """Without a run folder: training.json, whose points and samples are two lists."""
    points, samples = [{"step": 5, "loss_D": 1.0}], [{"step": 9, "error": 0.4, "iou": 0.8}]
    (tmp_path / "training.json").write_text(json.dumps({"points": points, "samples": samples}))
    drawn = []
    monkeypatch.setattr(
        "cagan_theano.training.preview.loss_curves", lambda log, title: drawn.append(log) or b"\x89PNG"
    )
    (curve,) = report.curves_of(report.Files(), None, tmp_path)
    assert drawn == [points + samples] and "held-out scores" in curve["title"]


SHELL = (
    "1; touch {0}/pwned #",
    "$(touch {0}/pwned)",
    "`touch {0}/pwned`",
    "1' ; touch {0}/pwned; '",
    "a\ntouch {0}/pwned",
)


@pytest.mark.parametrize("number", range(len(SHELL)))
def test_what_a_checkpoint_says_is_never_a_shell_s_to_run(number, tmp_path):
    """Every word of the commands, run by a real shell whose `python` only prints its words."""
    evil = SHELL[number].format(tmp_path)
    given = {"held_out": evil, "wardrobe": evil, "true_swaps": evil}
    provenance = {"program": "data_prep photoshoot", "version": evil, "seed": evil, "arguments": given}
    checkpoint = SimpleNamespace(
        config=Config(steps=10), metadata={"data": {"pairs": evil, "provenance": provenance}}
    )
    figures = [{"name": f"figure{evil.replace('/', '')}.png"}]
    lines = report.commands_of(f"{evil.replace('/', '')}.h5", checkpoint, figures)
    script = 'python() { printf "%s\\0" "$@"; }\n' + "\n".join(lines)
    done = subprocess.run(["/bin/sh", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr and not list(tmp_path.iterdir())
    assert done.stdout.split("\0").count(evil) == 5
    assert lines[0].startswith("# ") and shlex.split(lines[0])[-1].startswith("it was rendered by version ")


def test_names_that_are_no_proper_text_are_written_escaped(tmp_path, monkeypatch):
    path = tmp_path / "to\udcff$y$.h5"
    weights = {"encoder1.W": np.zeros((1, 2), "float32")}
    save_checkpoint(path, Checkpoint(Config(), 7, weights, weights))
    with pytest.raises(SystemExit) as left:
        main(
            report.command,
            [
                str(tmp_path / "o.html"),
                "--checkpoint",
                str(path),
                "--figures",
                str(tmp_path),
                "--results",
                str(tmp_path),
            ],
        )
    assert left.value.code == 0 and r"to\udcff$y$" in (tmp_path / "o.html").read_text()
