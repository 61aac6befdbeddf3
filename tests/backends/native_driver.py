"""Compile tests/backends/native_driver.cc with every warning as an error, and run it.

    python tests/backends/native_driver.py [--compiler g++] [--under "qemu-aarch64-static -L ..."] [FLAG ...]

FLAG: further flags of the compiler, such as -march=native or -fsanitize=address,undefined.  The exit
code is the driver's: 0 if all kernels agree with plain loops.
"""

import argparse
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import jax

from cagan_theano.backends import native

SOURCE = Path(__file__).with_suffix(".cc")
FLAGS = "-std=c++17", "-O2", "-fno-math-errno", "-pthread", "-Wall", "-Wextra", "-Werror"


def run(compiler: str, flags: list[str], under: list[str]) -> int:
    """Compile and run the driver; returns its exit code.  Raises CalledProcessError on a warning."""
    kernels = Path(native.__file__).parent
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/driver"
        include = ["-isystem", jax.ffi.include_dir(), "-I", str(kernels)]
        subprocess.run([compiler, *FLAGS, *flags, *include, str(SOURCE), "-o", program], check=True)
        return subprocess.run([*under, program], check=False).returncode


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compiler", default="c++")
    parser.add_argument("--under", default="", help="a program to run it under, with its options")
    given, flags = parser.parse_known_args()
    sys.exit(run(given.compiler, flags, shlex.split(given.under)))
