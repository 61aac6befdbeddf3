"""The compile cache: its folder, its permissions, and that no result depends on it."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import jax
import pytest

from cagan_theano.backends import cache

ROOT = Path(__file__).parents[2]
POSIX = pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")

# Compiles the swap of a tiny network as four starts of the program would: without a cache, with an empty
# cache, with the filled cache, and with damaged entries.  Prints hits and digest of each.
STARTS = """
import hashlib, sys
from pathlib import Path
import jax
import numpy as np
from network_toys import small_config
from cagan_theano.backends import cache, choose_backend
from cagan_theano.method.updates import compile_swap
from cagan_theano.network.networks import build_networks

hits = []
jax.monitoring.register_event_listener(
    lambda event, **_: hits.append(event) if event.endswith("/cache_hits") else None)
cache.SHORTEST = 0
images = np.random.default_rng(0).uniform(-1, 1, (3, 2, 3, 32, 32)).astype(np.float32)
backend, config = choose_backend("jax", "cpu"), small_config()
swap = compile_swap(build_networks(config).G, config, backend)

def start(folder):
    hits.clear()
    cache.use(jax, folder)
    jax.clear_caches()
    digest = hashlib.sha256(b"".join(array.tobytes() for array in swap(*images)))
    print(len(hits) > 0, digest.hexdigest())

folder = Path(sys.argv[1])
for place in (None, folder, folder):
    start(place)
for path in folder.iterdir():
    path.write_bytes(path.read_bytes()[:100])
start(folder)
"""


@pytest.mark.both_environments
def test_the_cache_changes_no_bit_and_may_be_damaged(tmp_path):
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    command = [sys.executable, "-c", STARTS, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    hits, digests = zip(*(line.split() for line in done.stdout.splitlines()))
    assert hits == ("False", "False", "True", "False")
    assert len(digests) == 4 and len(set(digests)) == 1


@pytest.fixture
def told(monkeypatch):
    """The warnings about the cache."""
    said = []
    monkeypatch.setattr(cache, "tell", said.append)
    return said


@POSIX
def test_created_folders_are_private(tmp_path):
    before = os.umask(0o002)  # under which a group shares its files
    try:
        own = cache.prepare(tmp_path / "a" / "b" / "own")
    finally:
        os.umask(before)
    assert own == tmp_path / "a" / "b" / "own"
    assert [place.stat().st_mode & 0o777 for place in (own, *own.parents[:2])] == [0o700] * 3
    (tmp_path / "file").write_text("")
    assert cache.prepare(tmp_path / "file" / "folder") is cache.prepare(tmp_path / "file") is None


@POSIX
@pytest.mark.parametrize("writable", ["", "a/cagan_theano", "a/cagan_theano/compiled"])
def test_folder_replaceable_by_others_is_not_used(writable, tmp_path, monkeypatch, told):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "top" / "a" / "cagan_theano"))
    folder = cache.user_folder() / "compiled"
    assert cache.prepare(folder) == folder and not told
    (tmp_path / "top" / writable).chmod(0o770)
    assert cache.prepare(folder) is None
    assert str(tmp_path / "top" / writable) in told[0] and "chmod go-w" in told[0]
    assert len(told) == 1 and "\n" not in told[0]


@POSIX
def test_nothing_is_created_in_a_folder_that_others_can_write(tmp_path, told):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    assert cache.prepare(tmp_path / "shared" / "new") is None and told
    assert not list((tmp_path / "shared").iterdir())
    (tmp_path / "shared").chmod(0o1777)  # like /tmp: only the owner of an entry can replace it
    assert cache.prepare(tmp_path / "shared" / "new") == tmp_path / "shared" / "new"


@POSIX
def test_the_target_of_a_link_is_checked(tmp_path, told):
    (tmp_path / "shared" / "own").mkdir(parents=True, mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "shared" / "own")
    assert cache.prepare(tmp_path / "link" / "x") == tmp_path / "link" / "x"
    (tmp_path / "shared").chmod(0o777)
    assert cache.prepare(tmp_path / "link" / "x") is None and told


@POSIX
def test_another_user_s_folder_is_not_used(tmp_path, monkeypatch, told):
    own = cache.prepare(tmp_path / "own")
    monkeypatch.setattr(os, "geteuid", lambda: own.stat().st_uid + 1)
    assert cache.prepare(own) is None and "belongs to another user" in told[0]


@POSIX
def test_a_folder_that_cannot_be_used_has_a_spare_one(tmp_path, monkeypatch, told):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    spare = tmp_path / f"cagan_theano-{os.geteuid()}"
    assert cache.ready_folder(jax).parent == spare
    assert len(told) == 1 and str(tmp_path / "file") in told[0] and "File exists" in told[0]
    spare.rename(tmp_path / "moved")
    spare.symlink_to(tmp_path / "moved")
    assert cache.ready_folder(jax) is None


def test_the_user_s_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv(cache.VARIABLE, raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache.user_folder() == tmp_path / ".cache" / "cagan_theano"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which the standard says to ignore
    assert cache.user_folder() == tmp_path / ".cache" / "cagan_theano"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.user_folder() == tmp_path / "xdg" / "cagan_theano"
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "mine"))
    assert cache.user_folder() == tmp_path / "mine"
    monkeypatch.setenv(cache.VARIABLE, "off")
    assert cache.version_folder(jax) is None


def test_each_version_and_processor_has_its_own_folder(monkeypatch, tmp_path):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    names = {cache.version_folder(jax).name}
    monkeypatch.setattr("cagan_theano.__version__", "0.0.0")
    names.add(cache.version_folder(jax).name)
    monkeypatch.setattr(cache, "processor", lambda: "another")
    names.add(cache.version_folder(jax).name)
    monkeypatch.setattr(jax, "__version__", "0.0.1")
    names.add(cache.version_folder(jax).name)
    assert len(names) == 4 and all(cache.is_ours(name) for name in names)


def test_existing_jax_cache_setting_is_kept(monkeypatch, tmp_path):
    before = jax.config.jax_compilation_cache_dir
    try:
        jax.config.update("jax_compilation_cache_dir", str(tmp_path / "theirs"))
        assert cache.turn_on(jax) == tmp_path / "theirs"
        assert jax.config.jax_compilation_cache_dir == str(tmp_path / "theirs")
    finally:
        jax.config.update("jax_compilation_cache_dir", before)


def test_the_option_no_cache(monkeypatch):
    import click

    from cagan_theano.options import no_cache_option

    monkeypatch.setenv(cache.VARIABLE, "elsewhere")
    seen = []
    command = click.command()(no_cache_option(lambda: seen.append(os.environ[cache.VARIABLE])))
    command.main([], standalone_mode=False)
    command.main(["--no-cache"], standalone_mode=False)
    assert seen == ["elsewhere", "off"]
