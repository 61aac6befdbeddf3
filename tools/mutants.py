"""Mutation testing: does a test notice when an operator, a number or a condition of the code is changed?

    python -m pytest -m "not slow" --cov --cov-context=test --junitxml=build/tests.xml tests
    pip install cosmic-ray==8.7.0
    python tools/mutants.py --count 15 cagan_theano/io/files.py ...

cosmic-ray (8.7) makes the mutants; a seeded sample of the places in each module is taken, and at each
place one of its operators at random.  A mutant is tried on the tests that ran its line, the module's own
first, then the fastest (the first command records which), in a copy of the project and in a process
that is forked after the imports of other packages.  Annotations and variables' names are not mutated.
"""

import ast
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

import click
from coverage import CoverageData
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("numpy", "scipy.ndimage", "h5py", "PIL.Image", "matplotlib.figure", "jax.numpy", "hypothesis",
         "pytest", "jinja2", "cagan_theano.compat")  # fmt: skip
LIMIT = 60  # recorded seconds of the tests tried on one mutant
SLOWER = 20  # times as long as recorded, and a minute, until a mutant counts as one that hangs


def places(source):
    """Place (line, column) -> [(operator, occurrence)] of all mutants of a source text."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    nodes, found, hidden = list(ast_nodes(get_ast(source))), {}, annotations(source)
    for name in operator_names():
        if "Variable" not in name:
            operator = get_operator(name)()
            spots = [spot for node in nodes for spot in operator.mutation_positions(node)]
            for occurrence, (start, _) in enumerate(spots):
                if not any(first <= start < last for first, last in hidden):
                    found.setdefault(start, []).append((name, occurrence))
    return found


def annotations(source):
    """[(start, end)] of the annotations, as (line, column)."""
    nodes = [
        getattr(node, name, None)
        for node in ast.walk(ast.parse(source))
        for name in ("annotation", "returns")
    ]
    return [((n.lineno, n.col_offset), (n.end_lineno, n.end_col_offset)) for n in nodes if n is not None]


def mutants(file, count, seed):
    """A sample of a module's mutants, as dictionaries."""
    rng, found = random.Random(f"{seed} {file}"), places((ROOT / file).read_text())
    for place in sorted(rng.sample(sorted(found), min(count, len(found)))):
        operator, occurrence = rng.choice(found[place])
        yield {"file": file, "line": place[0], "operator": operator, "occurrence": occurrence}


def statement(source, line):
    """The lines of the innermost statement at a line; of a compound one, those of its head."""
    spans = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            last = max(node.lineno, body[0].lineno - 1) if body else node.end_lineno
            if node.lineno <= line <= last:
                spans.append(range(node.lineno, last + 1))
    return min(spans, key=len, default=range(line, line + 1))


def tests_of(mutant, recorded, seconds):
    """Names of the tests that ran a mutant's statement, or its module if none did; and their seconds."""
    by_line = recorded.contexts_by_lineno(mutant["file"])
    lines = statement((ROOT / mutant["file"]).read_text(), mutant["line"])
    ran = {name for line in lines for name in by_line.get(line, []) if name}
    ran = ran or {name for names in by_line.values() for name in names if name}
    own = f"test_{Path(mutant['file']).stem}.py"
    ran = {name.partition("|")[0] for name in ran} & set(seconds)
    names, total = [], 0.0
    for name in sorted(ran, key=lambda name: (own not in name, seconds[name], name)):
        if total + seconds[name] <= LIMIT or not names:
            names.append(name)
            total += seconds[name]
    return names, total


def durations(report):
    """Test -> seconds, of those that passed in a JUnit report."""
    cases = [
        case for case in ElementTree.parse(report).iter("testcase") if not len(case) and case.get("classname")
    ]
    return {
        f"{c.get('classname').replace('.', '/')}.py::{c.get('name')}": float(c.get("time")) for c in cases
    }


def identity(mutant):
    """What tells a mutant from others."""
    return mutant["file"], mutant["operator"], mutant["occurrence"]


def begun(out):
    """The results of an earlier run that was interrupted, by identity."""
    lines = Path(out).read_text().splitlines() if Path(out).exists() else []
    return {identity(one): one for one in map(json.loads, lines)}


def prepare(parent):
    """Enter a copy of the project and import other packages; for each worker once."""
    folder = Path(tempfile.mkdtemp(dir=parent))
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, files.stdout.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    os.chdir(folder)
    # a changed file is recognized by its contents: two mutants may have one size and one time
    subprocess.run([sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash",
                    "cagan_theano", "data_prep"], check=True)  # fmt: skip
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.path.insert(0, str(folder))
    for name in HEAVY:
        __import__(name)


def attempt(mutant):
    """The mutant with its outcome: "killed", "hangs" (which counts as killed) or "survived"."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    source = (ROOT / mutant["file"]).read_text()
    changed = mutate_code(source, get_operator(mutant["operator"])(), mutant["occurrence"])
    Path(mutant["file"]).write_text(changed)
    begin = time.monotonic()
    status = run_tests(mutant["tests"], 60 + SLOWER * mutant["expected"])
    Path(mutant["file"]).write_text(source)
    outcome = {0: "survived", None: "hangs"}.get(status, "killed")
    apart = [
        (n, a, b) for n, (a, b) in enumerate(zip(source.splitlines(), changed.splitlines()), 1) if a != b
    ]
    return mutant | {
        "outcome": outcome,
        "status": status,
        "seconds": time.monotonic() - begin,
        "apart": apart,
    }


def run_tests(names, seconds):
    """pytest's exit status for these tests in a child process, or None if it takes longer."""
    child = os.fork()
    if not child:
        os.setsid()
        with open("output.txt", "wb") as out:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
        status = 9
        try:
            import pytest

            status = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", *names]))
        finally:
            os._exit(status)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


@click.command()
@click.argument("files", nargs=-1, required=True)
@click.option("--count", type=click.IntRange(1), default=15, show_default=True, help="Mutants per module.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--recorded", default=".coverage", show_default=True, help="Coverage with contexts.")
@click.option("--report", default="build/tests.xml", show_default=True, help="JUnit report of that run.")
@click.option("--out", default="build/mutants.json", show_default=True, help="Every mutant, one per line.")
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True)
def main(files, count, seed, recorded, report, out, workers):
    """Try a sample of the mutants of FILES and print how many of each file were killed."""
    data, seconds = CoverageData(recorded), durations(report)
    data.read()
    work = [mutant for file in files for mutant in mutants(file, count, seed)]
    for mutant in work:
        mutant["tests"], mutant["expected"] = tests_of(mutant, data, seconds)
    work, idle = [m for m in work if m["tests"]], [m for m in work if not m["tests"]]
    random.Random(seed).shuffle(work)
    results = begun(out)
    left = [m for m in work if identity(m) not in results]
    with (
        open(out, "a") as kept,
        tempfile.TemporaryDirectory() as folder,
        multiprocessing.get_context("fork").Pool(workers, prepare, (folder,)) as pool,
    ):
        for done in tqdm(pool.imap_unordered(attempt, left), total=len(left), unit="mutant"):
            results[identity(done)] = done
            kept.write(json.dumps(done) + "\n")
            kept.flush()
    counts = Counter((mutant["file"], "not run") for mutant in idle)
    counts.update((m["file"], results[identity(m)]["outcome"]) for m in work)
    print("| module | mutants | killed | survived | not run |\n|---|---|---|---|---|")
    for file in files:
        killed = counts[file, "killed"] + counts[file, "hangs"]
        rest = [counts[file, name] for name in ("survived", "not run")]
        print(f"| {file} | {killed + sum(rest)} | {killed} | {rest[0]} | {rest[1]} |")


if __name__ == "__main__":
    main()
