"""Writes tests/golden/exported, whose reading later versions of jax are tested with.

PYTHONPATH=.:tests python tests/make_golden_export.py
"""

import shutil
from pathlib import Path

from network_toys import small_config

from cagan_theano.interop import export_functions as export

OUT = Path(__file__).parent / "golden" / "exported"

if __name__ == "__main__":
    shutil.rmtree(OUT, ignore_errors=True)
    trainer = export.prepare(small_config(init_std=0.1), None, None)
    export.export_folder(trainer, None, OUT, swap_batch=(2,), updates=())
