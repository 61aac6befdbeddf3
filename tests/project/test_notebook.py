"""The quickstart notebook: stored without outputs, and its code runs from top to bottom."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "replicate" / "quickstart.ipynb"


def cells(kind):
    """The notebook's cells of a kind, "code" or "markdown"."""
    return [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == kind]


def test_it_is_stored_without_outputs_and_names_documents_that_exist():
    assert len(cells("code")) > 5
    for cell in cells("code"):
        assert cell["outputs"] == [] and cell["execution_count"] is None
    text = "".join("".join(cell["source"]) for cell in cells("markdown"))
    named = [word.strip("`:") for word in text.split() if word.startswith("`docs/")]
    assert named and all((ROOT / name).is_file() for name in named)


@pytest.mark.slow
def test_its_code_runs(tmp_path):
    """As a script: no Jupyter is needed.  A folder of its own shows that it needs no file of the clone."""
    script = tmp_path / "quickstart.py"
    script.write_text("\n\n".join("".join(cell["source"]) for cell in cells("code")) + "\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg", "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, script], cwd=tmp_path, env=environment, capture_output=True,
                          text=True, timeout=1200)  # fmt: skip
    assert done.returncode == 0, done.stderr
    losses = {name: float(value) for name, value in map(str.split, done.stdout.splitlines())}
    assert {"loss_D", "loss_G", "L_id", "L_cyc"} <= set(losses)
    assert all(0 < value < 10 for value in losses.values())
