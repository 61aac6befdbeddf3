"""The guarded import of Aesara: numpy's old names, flags, and no demands on the machine."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from cagan_theano import compat

ROOT = pathlib.Path(__file__).resolve().parents[1]
SIX_NAMES = ["obj2sctype", "cast", "MAXDIMS", "sctype2char", "AxisError", "ComplexWarning"]
DTYPES = [
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
    "float16", "float32", "float64", "complex64", "complex128",
]  # fmt: skip
pytestmark = pytest.mark.both_environments
on_numpy_1 = pytest.mark.skipif(compat.NUMPY_2, reason="numpy 2 has no originals to compare with")

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


def run(code, **environment):
    """Run code at the repository's root in a new interpreter; returns the finished process."""
    clean = {k: v for k, v in os.environ.items() if k != "AESARA_FLAGS"}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=ROOT, env=clean | environment, capture_output=True, text=True,
    )  # fmt: skip


def printed(code, **environment):
    """What the code printed; the test fails with its traceback where it failed."""
    done = run(code, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def expected_step():
    """STEP's two losses in plain numpy."""
    x = np.linspace(-1, 1, 6).reshape(2, 3)
    first = np.tanh(x)
    w = np.eye(3) - x.T @ (2 * first * (1 - first**2)) / 6
    return np.mean(first**2), np.mean(np.tanh(x @ w) ** 2)


def test_names_that_numpy_has_are_left_alone():
    before = [getattr(np, name) for name in SIX_NAMES]
    assert compat.restore_numpy_names() == []
    assert all(getattr(np, name) is value for name, value in zip(SIX_NAMES, before))


def test_all_six_names_are_put_back():
    code = TAKE_AWAY + "from cagan_theano import compat\n"
    code += f"print([name for name in {SIX_NAMES} if not hasattr(np, name)])\n"
    code += TAKE_AWAY + "print(sorted(compat.restore_numpy_names()))"
    assert printed(code).splitlines() == ["[]", str(sorted(SIX_NAMES))]


def test_replacements_answer_by_dtype():
    answers = json.loads(printed(TAKE_AWAY + "import cagan_theano.compat" + ASK))
    assert len(answers) == 2 * len(DTYPES)
    for name in DTYPES:
        kind = np.dtype(name)
        values = str(np.array([0, 1]).astype(kind).tolist())
        assert answers[name] == [kind.type.__name__, kind.char, name, values]
        assert answers[str(kind.type)] == [kind.type.__name__, kind.char]


def test_cast_takes_a_name_as_well():
    """Aesara looks casts up by type, and by name: np.cast[config.floatX]."""
    code = f"print([np.cast[name](1).dtype.name for name in {DTYPES}])"
    assert printed(TAKE_AWAY + "import cagan_theano.compat\n" + code) == str(DTYPES)


@on_numpy_1
def test_replacements_answer_as_numpy_1_does():
    ours = json.loads(printed(TAKE_AWAY + "import cagan_theano.compat" + ASK))
    assert ours == json.loads(printed("import numpy as np" + ASK))


def test_errors_are_the_ones_that_numpy_raises():
    with pytest.raises(np.AxisError):
        np.zeros(3).sum(axis=5)
    with pytest.warns(np.ComplexWarning):
        np.array([1j]).astype("float32")


@pytest.mark.parametrize("before", ["", TAKE_AWAY], ids=["as-installed", "names-taken-away"])
def test_a_jitted_step_agrees_with_numpy(before):
    assert np.allclose([float(v) for v in printed(before + STEP).split()], expected_step(), 1e-5)


def test_no_compiler_and_no_blas_are_needed(tmp_path):
    """With nothing on PATH, nothing is searched for, asked of numpy.distutils, or compiled."""
    code = STEP + "import sys; print('numpy.distutils' in sys.modules, aesara.config.cxx == '')"
    done = run(code, PATH=str(tmp_path), AESARA_FLAGS=f"base_compiledir={tmp_path / 'compiled'}")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert done.stdout.splitlines()[1] == "False True"
    compiled = [p for p in tmp_path.rglob("*") if p.suffix in (".so", ".cpp", ".o")]
    assert not compiled


def test_flags_are_set_without_the_user_and_yield_to_the_user():
    code = "from cagan_theano.compat import aesara as a; print(a.config.floatX, a.config.cxx == '')"
    assert printed(code) == "float32 True"
    assert printed(code, AESARA_FLAGS="floatX=float64") == "float64 True"


def test_the_package_itself_imports_nothing_heavy():
    code = "import cagan_theano, sys; print({'aesara', 'jax', 'numpy', 'h5py'} & set(sys.modules))"
    assert printed(code) == "set()"


def test_a_missing_aesara_is_named_with_the_cure():
    code = "import sys; sys.modules['aesara'] = None\nimport cagan_theano.compat"
    done = run(code)
    assert done.returncode != 0
    assert "ImportError" in done.stderr and "requirements/" in done.stderr.splitlines()[-1]


def test_versions_are_those_of_the_modules():
    import aesara
    import jax

    found = compat.versions()
    assert found["python"] == "{}.{}.{}".format(*sys.version_info)
    assert found["numpy"] == np.__version__ and found["jax"] == jax.__version__
    assert found["aesara"] == aesara.__version__
    assert "not installed" not in found.values()


def test_world_is_told_from_numpy():
    assert compat.NUMPY_2 == (np.lib.NumpyVersion(np.__version__) >= "2.0.0")


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
def test_a_user_without_a_home_of_his_own_can_work(state, tmp_path):
    (tmp_path / "tmp").mkdir()
    (tmp_path / "home").mkdir()
    code = (
        state
        + "before = os.environ.get('HOME')\n"
        + STEP
        + ("print(os.environ.get('HOME') == before, aesara.config.base_compiledir)")
    )
    lines = printed(code, TMPDIR=str(tmp_path / "tmp"), ELSEWHERE=str(tmp_path / "home")).splitlines()
    assert lines[1].startswith(f"True {tmp_path / 'tmp' / 'cagan_home_'}")
    left = list((tmp_path / "tmp").glob("cagan*")) + list((tmp_path / "home").iterdir())
    assert not left
