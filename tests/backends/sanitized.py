"""pytest with the C++ kernels compiled with the address and undefined-behavior sanitizers.

    LD_PRELOAD="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libubsan.so)" \
        ASAN_OPTIONS=detect_leaks=0 CAGAN_THEANO_CACHE=off \
        python tests/backends/sanitized.py tests/backends/test_native.py

`make sanitize` does this.  Python's and XLA's own leaks are not reported.
"""

import sys

import pytest

from cagan_theano.backends import native

SANITIZERS = "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"
flags = native.flags


def with_sanitizers() -> list[str]:
    """The compiler's flags, and the sanitizers."""
    return [*flags(), *SANITIZERS]


if __name__ == "__main__":
    native.flags = with_sanitizers
    sys.exit(pytest.main(sys.argv[1:]))
