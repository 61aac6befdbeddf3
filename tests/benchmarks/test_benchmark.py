"""The benchmark: what it counts, that it times only what agrees, and its one-line errors."""

import json
import sys

import numpy as np
import pytest
from conftest import run_command
from network_toys import small_config

from cagan_theano.backends import devices
from cagan_theano.benchmarks import benchmark, check_gpu, contenders
from cagan_theano.benchmarks.benchmark import Case
from cagan_theano.checkpoint import Checkpoint
from cagan_theano.network.networks import build_networks, values_of

CASE = Case("step", 32, 32, 2)

# A contender that computes nothing: "ours", "ours:late" (slower), "torch" (other numbers), "onnx" (none).
FAKE = """
import json, os, sys
kind, case = sys.argv[1], json.loads(sys.argv[2])
say = lambda answer: print(json.dumps(answer), flush=True)
if kind.startswith("onnx"):
    say({"error": f"no module, {os.environ['XLA_FLAGS']}"})
    sys.exit(1)
say({"first": 1.5, "numbers": [1.0, 2.04 if kind.startswith("torch") else 2.0]})
for line in sys.stdin:
    command, count = (*line.split(), "1")[:2]
    seconds = 0.5 if kind == "ours" else 1.0
    say({"run": [seconds] * int(count), "memory": 2**20}[command])
"""
KINDS = "ours", "ours:late", "torch", "torch:precision=bfloat16", "onnx:devices=4"


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """What `compare` finds of fake contenders."""
    worker = tmp_path / "fake.py"
    worker.write_text(FAKE)
    monkeypatch.setattr(benchmark, "WORKER", [str(worker)])
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    return benchmark.compare(CASE, KINDS, "x.h5", "cpu", 4, 2, {})


def test_only_agreeing_contenders_are_timed(rows):
    ours, late, torch, rounded, onnx = rows
    assert ours["seconds"] == [0.5] * 4 and late["seconds"] == rounded["seconds"] == [1.0] * 4
    assert (ours["cold"], ours["warm"], ours["memory"]) == (1.5, 1.5, 2**20)
    assert "differs from ours by 4.0e-02" in torch["error"] and "seconds" not in torch
    assert onnx["error"] == "no module, --xla_force_host_platform_device_count=4"


def test_the_table(rows, tmp_path):
    results = [{"case": str(CASE), "batch": 2, "rows": rows, "flops": 1e9}]
    lines = benchmark.table(results).splitlines()
    assert lines[0] == "**step, 32x32, batch 2**"
    assert "| ours | 500.0 | 1.00 | 4.0 | 2 | 1 MiB | 1.5 s | 1.5 s | 0e+00 |" in lines
    assert "| ours:late | 1000.0 | 2.00 | 2.0 | 1 | 1 MiB | 1.5 s | 1.5 s | 0e+00 |" in lines
    assert any(line.startswith("| torch | differs") for line in lines)
    benchmark.save(results, "a machine", tmp_path / "a")
    assert json.loads((tmp_path / "a.json").read_text())["about"] == "a machine"
    assert (tmp_path / "a.md").read_text().startswith("a machine\n\n**step, 32x32")


@pytest.mark.parametrize("changes", [{}, {"d_widths": (8, 10, 12)}])
def test_multiplications_are_counted_as_loops_would(changes):
    """Every output (of a deconvolution: input) pixel meets every tap of every kernel."""
    config = small_config(height=32, width=64, **changes)
    networks = build_networks(config)
    checkpoint = Checkpoint(config, 0, values_of(networks.G.params), values_of(networks.D.params))

    def layers(weights, levels):
        """levels: how often the sides are halved at the smaller end of each layer (Figure 3)."""
        kernels = [array.shape for name, array in weights.items() if name.endswith(".W")]
        return [np.prod(kernel) * (32 >> n) * (64 >> n) for kernel, n in zip(kernels, levels, strict=True)]

    depth = len(config.d_widths)
    g = layers(checkpoint.G, [1, 2, 3, 4, 4, 3, 2, 1])
    d = layers(checkpoint.D, [*range(1, depth + 1), depth])
    G, D = sum(g), sum(d)
    assert benchmark.flops(Case("swap", 32, 64, 3), checkpoint) == 2 * 3 * G
    # by the input, each layer's gradient costs what it costs itself, and by its weights as much;
    # pictures of the data want no gradient, x_ij on the way back wants one
    of_D = 3 * (D + D + D - d[0])  # its update on three pairs
    of_G = (D + D) + (G + G + G - g[0]) + (G + G + G)  # through D; the swap; the way back
    assert benchmark.flops(Case("step", 32, 64, 3), checkpoint) == 2 * 3 * (of_D + of_G)


def test_an_unknown_contender_is_an_answer(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # which `main` replaces
    assert contenders.main("theirs", "{}") == 1
    assert "theirs: choose from ours, torch, onnx" in json.loads(capsys.readouterr().out)["error"]


def test_gpu_with_wrong_results_is_reported(capsys):
    """The yardstick of a step is the largest difference between the CPU's kernels so far."""
    cpu, growth = np.arange(24.0).reshape(3, 8), np.array([[1e-6], [1e-3], [1e-4]])
    control = check_gpu.yardstick(cpu, cpu + growth)
    assert control == pytest.approx(growth[:, 0])
    check_gpu.report(cpu, control, cpu - 9 * np.maximum.accumulate(growth))
    assert "step   2: max abs difference 9.0e-03 (loss_D), of two sets of kernels on the CPU 1.0e-03" in (
        capsys.readouterr().out
    )
    with pytest.raises(ValueError, match="by 2.0e-05 at step 1, more than 1.0e-05; do not trust"):
        check_gpu.report(cpu, control, cpu + 2e-5 * (cpu == 3))
    with pytest.raises(ValueError, match="at step 3"):
        check_gpu.report(cpu, control, cpu + 0.5 * (cpu == 23))
    with pytest.raises(ValueError, match="nan"):
        check_gpu.report(cpu, control, cpu * np.nan)
    with pytest.raises(ValueError, match="no yardstick"):
        check_gpu.yardstick(cpu, cpu)
    with pytest.raises(ValueError, match="not finite"):
        check_gpu.yardstick(cpu, cpu * np.nan)


@pytest.mark.parametrize("fault, code", [(0.0, 0), (0.1, 1)])
def test_check_gpu_trains_by_three_sets_of_kernels(fault, code, tmp_path, monkeypatch, capsys):
    """Ours and XLA's on the CPU, then ours on the GPU: without a compiler it ends before the GPU."""
    asked = []

    def losses(kind, device, case, checkpoint, steps):
        asked.append((kind, device, steps))
        return np.arange(8.0) * np.ones((steps, 1)) + {1: 0, 2: 1e-6, 3: fault}[len(asked)]

    monkeypatch.setattr(check_gpu, "losses", losses)
    monkeypatch.setattr(devices, "choose", lambda *_: None)
    assert run_command(check_gpu.command, "--checkpoint", "cagan_128x96", "--steps", 3) == code
    assert asked == [("ours", "cpu", 3), ("ours:reference=1", "cpu", 3), ("ours", "gpu", 3)]
    assert ("do not trust" in capsys.readouterr().err) == bool(code)
