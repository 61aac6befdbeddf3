"""A minibatch shared among devices and processes gives what one device gives; precisions."""

import functools
import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from network_toys import random_images, small_config

from cagan_theano.backends import choose_backend, cluster
from cagan_theano.backends.jax import round_to
from cagan_theano.method.updates import compile_swap
from cagan_theano.network.networks import build_networks
from cagan_theano.training.engine import Engine

ROOT = Path(__file__).parents[2]

# Three updates for each word of argv[1], a number of devices (or all) and a network, such as 2:D; prints the
# process, the losses and the sum of what was learned.
TRAIN = """
import sys
from types import SimpleNamespace
import numpy as np
from network_toys import small_config
from cagan_theano.backends import choose_backend
from cagan_theano.training.engine import Engine

words, cluster = sys.argv[1].split(","), (sys.argv[2:] or [None])[0]
rng, rows = np.random.default_rng(0), 24
x, y = (rng.integers(0, 256, (rows, 32, 32, 3), dtype=np.uint8) for _ in "xy")
photos = SimpleNamespace(x=x, y=y, mask=None, garment=np.arange(rows), triples=None)
for word in words:
    count, network = word.split(":")
    count = count if count == "all" else int(count)
    backend = choose_backend("jax", "cpu", devices=count, cluster=cluster)
    config = small_config(batch_size=8, dropout=0.2)  # all kinds of inputs
    trainer = Engine(config, photos, backend)
    update = getattr(trainer.functions, f"update_{network}")
    losses = [list(update(trainer.sampler.draw()).values()) for _ in range(3)]
    weights = sum(float(np.abs(value).sum()) for value in trainer.state()[network].values())
    print(backend.process, *np.ravel(losses), weights, flush=True)
"""


def train(devices, *words):
    """A started process of TRAIN with so many virtual CPU devices."""
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}"
    environment = {**os.environ, "XLA_FLAGS": flags, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    return subprocess.Popen([sys.executable, "-c", TRAIN, *words], cwd=ROOT, env=environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip


def numbers(process):
    """The lines of numbers that a process of TRAIN prints, [lines, numbers]."""
    out, err = process.communicate(timeout=1200)
    assert process.returncode == 0, err[-2000:]
    return np.array([line.split() for line in out.splitlines()], np.float64)


@pytest.mark.slow
def test_several_devices_and_processes_train_as_one_device():
    """D on 2 and 8 devices and in two processes, G on 2 devices: losses and weights agree to 1e-5."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    processes = [train(1, "all:D", f"{address},2,{index}") for index in range(2)]
    one_D, two_D, eight_D, one_G, two_G = numbers(train(8, "1:D,2:D,8:D,1:G,2:G"))
    for one in (one_D, one_G):
        assert len(one) == 1 + 3 * 4 + 1 and len(set(one)) > 10
    apart = np.concatenate([numbers(process) for process in processes])
    assert apart[:, 0].tolist() == [0, 1]
    for line, one in ((two_G, one_G), *((line, one_D) for line in (two_D, eight_D, *apart))):
        np.testing.assert_allclose(line[1:-1], one[1:-1], atol=1e-5)
        np.testing.assert_allclose(line[-1], one[-1], rtol=1e-5)


@pytest.mark.parametrize("words, settings, fault", [
    (("jax", "cpu"), dict(devices=99), "--devices 99: jax sees"),
    (("jax", "cpu"), dict(devices=0), "--devices 0"),
    (("jax", "cpu"), dict(precision="half"), "precision 'half': must be"),
    (("c",), dict(precision="tf32"), "backend c computes in float32 on one device"),
])  # fmt: skip
def test_settings_that_cannot_be_are_errors(words, settings, fault):
    with pytest.raises(ValueError, match=fault):
        choose_backend(*words, **settings)


@pytest.mark.parametrize("name", ["JAX_PLATFORMS", "JAX_PLATFORM_NAME"])
@pytest.mark.parametrize("kind", [None, "cpu"])
def test_a_platform_that_is_missing_here_is_not_heeded(name, kind):
    code = f"from cagan_theano.backends import choose_backend; print(choose_backend('jax', {kind!r}).device)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, name: "tpu"},
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0 and done.stdout, done.stderr
    assert (f"{name}=tpu: jax sees no such device" in done.stderr) == (
        kind is None and done.stdout == "CPU\n"
    )


@pytest.mark.parametrize("text", ["node:1,2", "node:x,2,0", "node:1,2,2", ":1,2,0"])
def test_the_text_of_a_cluster(text):
    arguments = {"coordinator_address": "node0:9876", "num_processes": 4, "process_id": 3}
    assert cluster.parse("node0:9876,4,3") == arguments
    with pytest.raises(ValueError, match=f"--cluster {text}: "):
        cluster.parse(text)


@pytest.mark.parametrize("bits, precision", [(7, 2**-8), (10, 2**-11)])
def test_rounding_keeps_the_stated_bits(bits, precision):
    x = random_images(1000)
    relative = np.abs(np.asarray(round_to(x, bits)) - x) / np.abs(x)
    assert 0.9 * precision < relative.max() <= precision


@pytest.fixture(scope="module")
def alpha_of():
    """A function: settings of the back end -> alpha that one tiny G gives for the same pictures."""
    config = small_config(init_std=0.2)  # so that alpha is no constant
    G, images = build_networks(config).G, [random_images(2, 3, 32, 32, seed=s) for s in range(3)]

    @functools.cache
    def alpha(**settings):
        return compile_swap(G, config, choose_backend("jax", "cpu", **settings))(*images)[0]

    return alpha


@pytest.mark.parametrize("settings, low, high", [
    (dict(precision="tf32"), 1e-5, 3e-3), (dict(precision="bfloat16"), 1e-4, 3e-2),
    (dict(reference=True), -1, 1e-5),
])  # fmt: skip
def test_precisions_and_lowerings_differ_from_float32_by_their_rounding(settings, low, high, alpha_of):
    assert np.ptp(alpha_of()) > 0.1
    assert low < np.abs(alpha_of(**settings) - alpha_of()).max() < high


@pytest.mark.both_environments
def test_parameters_stay_on_the_device_and_nothing_compiles_twice(tiny_photos, jax_backend):
    """Aesara alone would bring all parameters back to the host after each step."""
    trainer = Engine(small_config(batch_size=4), tiny_photos, jax_backend)
    W = trainer.networks.D.params["layer1.W"]
    values = []
    for _ in range(3):
        trainer.functions.update_D(trainer.sampler.draw())
        values.append(W.container.storage[0])
    assert all(isinstance(value, jax.Array) for value in values)
    assert trainer.functions.update_D.function.vm.jit_fn._cache_size() == 1
    # an update takes the memory of the values that it replaces
    assert values[0].is_deleted() and values[1].is_deleted() and not values[2].is_deleted()
