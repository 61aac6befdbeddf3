"""The guarded import of Aesara: numpy's old names, flags, and no demands on the machine."""

import json
import os
import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest

from cagan_theano import compat

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIX_NAMES = ["obj2sctype", "cast", "MAXDIMS", "sctype2char", "AxisError", "ComplexWarning"]
DTYPES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
          "float16", "float32", "float64", "complex64", "complex128"]  # fmt: skip
pytestmark = pytest.mark.both_environments

TAKE_AWAY = f"""
import numpy as np
for name in {SIX_NAMES}:
    vars(np).pop(name, None)
"""
ASK = f"""
import json
answers = {{}}
for name in {DTYPES}:
    kind = np.dtype(name)
    for key in (name, kind.type):
        answers[str(key)] = [np.obj2sctype(key).__name__, np.sctype2char(key)]
    answers[name] += [np.cast[kind.type](1).dtype.name, str(np.cast[kind.type]([0, 1]).tolist())]
print(json.dumps(answers))
"""
STEP = """
from cagan_theano.compat import aesara
import numpy as np
at = aesara.tensor
x, w = at.matrix("x", "float32"), aesara.shared(np.eye(3, dtype="float32"))
loss = at.sqr(at.tanh(at.dot(x, w))).mean()
f = aesara.function([x], loss, updates=[(w, w - aesara.grad(loss, w))], mode="JAX")
values = np.linspace(-1, 1, 6, dtype="float32").reshape(2, 3)
print(float(f(values)), float(f(values)))
"""


FORK = """
import os
import cagan_theano
import numpy as np
model, images = cagan_theano.load("dress_128x96", "jax", "cpu"), np.zeros((1, 32, 32, 3), np.uint8)
model.swap(images, images, images)
if not os.fork():
    try:
        model.swap(images, images, images)
    except ValueError as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
"""


def run(code, **environment):
    """Run code at the repository's root in a new interpreter; returns the finished process."""
    clean = {k: v for k, v in os.environ.items() if k != "AESARA_FLAGS"}
    return subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT,
                          env=clean | environment, capture_output=True, text=True)  # fmt: skip


def printed(code, **environment):
    """What the code printed; the test fails with its traceback where it failed."""
    done = run(code, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_six_names_are_restored_if_missing():
    before = [getattr(np, name) for name in SIX_NAMES]
    assert compat.restore_numpy_names() == []
    assert all(getattr(np, name) is value for name, value in zip(SIX_NAMES, before))
    code = TAKE_AWAY + "from cagan_theano import compat" + ASK
    code += f"print([np.cast[name](1).dtype.name for name in {DTYPES}])\n"  # Aesara asks by type and by name
    code += TAKE_AWAY + "print(sorted(compat.restore_numpy_names()))"
    answers, names, restored = printed(code).splitlines()
    assert restored == str(sorted(SIX_NAMES)) and names == str(DTYPES)
    answers = json.loads(answers)
    assert len(answers) == 2 * len(DTYPES)
    for name in DTYPES:
        kind = np.dtype(name)
        values = str(np.array([0, 1]).astype(kind).tolist())
        assert answers[name] == [kind.type.__name__, kind.char, name, values]
        assert answers[str(kind.type)] == [kind.type.__name__, kind.char]
    with pytest.raises(np.AxisError):
        np.zeros(3).sum(axis=5)


def test_a_step_agrees_with_numpy_and_needs_no_compiler_and_no_blas(tmp_path):
    """With nothing on PATH, nothing is searched for, asked of numpy.distutils, or compiled."""
    code = TAKE_AWAY + STEP + "import sys; print('numpy.distutils' in sys.modules, aesara.config.cxx == '')"
    done = run(code, PATH=str(tmp_path), AESARA_FLAGS=f"base_compiledir={tmp_path / 'compiled'}")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    losses, state = done.stdout.splitlines()
    x = np.linspace(-1, 1, 6).reshape(2, 3)
    first = np.tanh(x)
    w = np.eye(3) - x.T @ (2 * first * (1 - first**2)) / 6
    expected = np.mean(first**2), np.mean(np.tanh(x @ w) ** 2)
    assert np.allclose([float(v) for v in losses.split()], expected, 1e-5)
    assert state == "False True"
    assert not [p for p in tmp_path.rglob("*") if p.suffix in (".so", ".cpp", ".o")]


def test_user_flags_take_precedence_but_settings_that_break_every_command_do_not(tmp_path):
    code = "from cagan_theano.compat import aesara as a; print(a.config.floatX, a.config.blas__ldflags)"
    (tmp_path / ".aesararc").write_text("floatX = float64  # without a section")
    hostile = {"HOME": str(tmp_path), "OMP_NUM_THREADS": "4,2"}
    assert printed(code) == printed(code, **hostile) == "float32"
    assert printed(code, AESARA_FLAGS="floatX=float64,device=cuda,blas__ldflags=-lm") == "float32 -lm"


def test_an_error_names_the_cure_for_a_missing_aesara():
    done = run("import sys; sys.modules['aesara'] = None\nimport cagan_theano.compat")
    assert done.returncode != 0
    assert "ImportError" in done.stderr and "requirements/" in done.stderr.splitlines()[-1]


def test_versions_are_those_of_the_modules():
    found = compat.versions()
    assert found["python"] == "{}.{}.{}".format(*sys.version_info)
    assert found["numpy"] == np.__version__ and found["jax"] == jax.__version__
    assert found["aesara"] == compat.aesara.__version__
    assert "not installed" not in found.values()


def test_a_forked_process_is_told_to_be_spawned_and_nothing_stays_in_tmp(tmp_path):
    said = printed(FORK, TMPDIR=str(tmp_path))
    assert said.startswith("this process was forked") and "spawn" in said and "\n" not in said
    assert not list(tmp_path.iterdir())


NO_HOME = """
import os, pwd
os.environ.pop("HOME", None)
def getpwuid(number):
    raise KeyError(number)
pwd.getpwuid = getpwuid
"""
READ_ONLY = """
import os
os.environ["HOME"] = os.environ["ELSEWHERE"]
allowed = os.access
os.access = lambda path, mode: str(path) != os.environ["ELSEWHERE"] and allowed(path, mode)
"""


@pytest.mark.skipif(os.name != "posix", reason="users of POSIX")
@pytest.mark.parametrize("state", [NO_HOME, READ_ONLY])
def test_works_without_a_writable_home(state, tmp_path):
    (tmp_path / "tmp").mkdir()
    (tmp_path / "home").mkdir()
    code = state + "before = os.environ.get('HOME')\n" + STEP
    code += "print(os.environ.get('HOME') == before, aesara.config.base_compiledir)"
    lines = printed(code, TMPDIR=str(tmp_path / "tmp"), ELSEWHERE=str(tmp_path / "home")).splitlines()
    assert lines[1].startswith(f"True {tmp_path / 'tmp' / 'cagan_home_'}")
    left = list((tmp_path / "tmp").glob("cagan*")) + list((tmp_path / "home").iterdir())
    assert not left
