"""The C++ kernels without XLA, for the narrowest vectors and for this processor's; no warnings."""

import platform
import subprocess

import pytest

jax = pytest.importorskip("jax")
from native_driver import run  # noqa: E402

from cagan_theano.backends import native  # noqa: E402

X86 = platform.machine() in ("x86_64", "AMD64")
SANITIZERS = "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"  # -O2 takes twice as long


@pytest.fixture
def compiler():
    return native.find_compiler() or pytest.skip("no C++ compiler")


@pytest.mark.slow
@pytest.mark.parametrize("machine", ["-march=x86-64", "-march=native"] if X86 else ["-mcpu=native"])
def test_the_kernels_agree_with_plain_loops(machine, compiler, capfd):
    """Compiles every way with all warnings as errors and compares it; see native_driver.cc."""
    assert run(compiler, [machine], []) == 0
    said = capfd.readouterr().out
    assert said.endswith("\n0 failures\n")
    assert all(way in said for ways in native.WAYS.values() for way in ways)


@pytest.mark.slow
def test_the_sanitizers_find_no_fault(compiler, tmp_path, capfd):
    """Addresses out of bounds and undefined behavior end the driver with an error; `make sanitize` also
    calls the kernels from XLA."""
    program = tmp_path / "empty.cc"
    program.write_text("int main() {}\n")
    made = [compiler, *SANITIZERS, str(program), "-o", str(tmp_path / "empty")]
    if subprocess.run(made, check=False, capture_output=True).returncode:
        pytest.skip("no sanitizers for this compiler")
    assert run(compiler, ["-march=native" if X86 else "-mcpu=native", *SANITIZERS], []) == 0
    assert capfd.readouterr().out.endswith("\n0 failures\n")
