# From a fresh clone: `make test`, `make figures`.  Each sets up the environment that it needs.
#
# Two environments, pinned with hashes in requirements/:
#   reference  Python 3.11 and 3.12, numpy 1.26, jax 0.7.1; both back ends
#   today      Python 3.11 to 3.13, numpy 2, current jax; JAX back end only
# All targets use the first one that the given Python supports; `make test-today` runs the tests marked
# both_environments in the other.

PYTHON ?= python3

# Byte code is kept from run to run, or importing the tests takes twice as long.
export PYTHONDONTWRITEBYTECODE :=

ENVIRONMENTS_3.11 := reference today
ENVIRONMENTS_3.12 := reference today
ENVIRONMENTS_3.13 := today

VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
ENVIRONMENTS := $(ENVIRONMENTS_$(VERSION))
ENVIRONMENT := $(firstword $(ENVIRONMENTS))
BIN := .venv/$(ENVIRONMENT)/bin

# An environment is up to date if its stamp file, named after the Python version, is newer than its pins.
stamp = .venv/$(1)/installed-$(VERSION)
READY := $(if $(ENVIRONMENT),$(call stamp,$(ENVIRONMENT)),python)

SIZE ?= 128x96
PAIRS ?= 15000
SEED ?= 0
DATA ?= data/train_$(SIZE)_$(PAIRS)_$(SEED).h5
RUN ?= runs/cagan_$(SIZE)
STEPS ?= 10000
KILLS ?= 200
CASES ?= 5000
TESTS ?= tests

# A Python with PyTorch and onnxruntime (pyproject.toml's extra "witness"); if missing, they are skipped.
TORCH_PYTHON ?= $(BIN)/python
GPU_CONTENDERS := ours ours:precision=tf32 ours:precision=bfloat16 torch \
    torch:channels_last=1,precision=tf32 torch:compiled=default,channels_last=1,precision=tf32 \
    torch:compiled=default,channels_last=1,precision=bfloat16

CODE := cagan_theano data_prep replicate tests tools

FIGURES := figure2 figure3 figure4 figure5 figure6

.DELETE_ON_ERROR:
.PHONY: help python python-3.11 environment lint docs test test-slow test-today coverage witness figures $(FIGURES) photoshoot train gpu benchmark faults fuzz native sanitize arm64 pins clean

help:
	@echo 'make test          run the tests, but the slow ones'
	@echo 'make test-slow     run the slow tests'
	@echo 'make test-today    run the tests that newer versions of numpy and JAX could break, with them'
	@echo 'make coverage      run the tests and print the line coverage of each package (TESTS=$(TESTS))'
	@echo 'make witness       run the tests that compare with PyTorch and ONNX (Python 3.11; installs CPU PyTorch)'
	@echo 'make lint          check style and format with ruff, types with mypy'
	@echo 'make docs          build the documentation site into build/site/ and check its links'
	@echo 'make figures       plot Figures 2 to 6 of the paper into figures/ (one: make figure4)'
	@echo 'make photoshoot    render the training photos: PAIRS=$(PAIRS) SIZE=$(SIZE) SEED=$(SEED) DATA=...'
	@echo 'make train         train on these photos, or resume: RUN=$(RUN) STEPS=$(STEPS)'
	@echo 'make environment   only install the dependencies of the commands above, into .venv/'
	@echo 'make gpu           install the CUDA 12 wheels, check the GPU, train on it (RUN_gpu) and time it'
	@echo 'make benchmark     time this package and PyTorch: TORCH_PYTHON=interpreter with PyTorch'
	@echo 'make faults        kill and disturb a tiny training: KILLS=$(KILLS)'
	@echo 'make fuzz          fuzz the file readers: CASES=$(CASES) of each kind'
	@echo 'make native        compile the C++ kernels with warnings as errors, compare them with plain loops'
	@echo 'make sanitize      the same with the address and undefined-behaviour sanitizers'
	@echo 'make arm64         the same for 64-bit Arm, under QEMU'
	@echo 'make pins          resolve requirements/*.in into exact pins'
	@echo 'make clean         remove .venv/, figures/ and caches, but not data/ and runs/'
	@echo 'To use another Python: make PYTHON=python3.12 test'

python:
	@test -n "$(ENVIRONMENTS)" || { echo 'Error: $(PYTHON) is $(if $(VERSION),Python $(VERSION),not installed); Python 3.11 to 3.13 is required, for example: make PYTHON=python3.12 $(MAKECMDGOALS)' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo 'Error: $(PYTHON) cannot create virtual environments; install its venv module (Debian: apt install python$(VERSION)-venv)' >&2; exit 1; }

.venv/%/installed-$(VERSION): requirements/%.txt | python
	@echo "installing requirements/$*.txt into .venv/$* (about a minute, once)"
	@rm -rf .venv/$*
	@$(PYTHON) -m venv .venv/$*
	@.venv/$*/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

environment: $(READY)

lint: $(READY)
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy

# Uses .venv/docs, which is pinned like the other environments.
docs: $(call stamp,docs)
	PYTHONPATH=. PYTHONWARNINGS=ignore .venv/docs/bin/mkdocs build --strict
	@echo 'wrote build/site/index.html'

test: $(READY)
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-slow: $(READY)
	$(BIN)/python -m pytest -n 2 -m slow

# What another environment can break: nothing to do if this Python supports only one.
OTHER := $(filter-out $(ENVIRONMENT),$(ENVIRONMENTS))
test-today: $(if $(ENVIRONMENT),$(OTHER:%=.venv/%/installed-$(VERSION)),python)
	$(if $(OTHER),.venv/$(OTHER)/bin/python -m pytest -n 2 -m both_environments)

# Not part of make test: measuring slows the tests.
coverage: $(READY)
	$(BIN)/python -m pytest -n 2 --cov --cov-report=json:build/coverage.json $(TESTS)
	$(BIN)/python tools/coverage_totals.py build/coverage.json

# The wheel of CPU PyTorch is on PyTorch's own package index, not on the default one: pip must be
# configured to find it (PIP_EXTRA_INDEX_URL, or PIP_FIND_LINKS for a folder that holds the wheel).
WITNESS_TESTS := tests/interop/test_pytorch_network.py tests/interop/test_convert.py

witness: $(if $(filter 3.11,$(VERSION)),$(call stamp,witness),python-3.11)
	.venv/witness/bin/python -m pytest $(WITNESS_TESTS)

python-3.11: | python
	@echo 'Error: make witness needs Python 3.11, for which PyTorch is pinned: make PYTHON=python3.11 witness' >&2; exit 1

figures: $(FIGURES)

$(FIGURES): $(READY)
	$(BIN)/python -m cagan_theano $@

$(DATA): | $(READY)
	@mkdir -p $(@D)
	$(BIN)/python -m data_prep photoshoot $@ --pairs $(PAIRS) --size $(SIZE) --seed $(SEED)

photoshoot: $(DATA)

train: $(DATA) | $(READY)
	$(BIN)/python -m cagan_theano train --data $< --run $(RUN) --steps $(STEPS) $(if $(wildcard $(RUN)),--resume)

# `make gpu` compares the GPU with the CPU over ten steps, trains on it, and runs the benchmark.
nvidia:
	@nvidia-smi -L >/dev/null 2>&1 || { echo 'Error: no NVIDIA GPU found (nvidia-smi lists none); make gpu requires one' >&2; exit 1; }

gpu: nvidia $(READY)
	$(BIN)/python -m pip install --disable-pip-version-check \
	    "jax[cuda12]==$$($(BIN)/python -c 'import jax; print(jax.__version__)')"
	$(BIN)/python -m cagan_theano check-gpu --size $(SIZE)
	$(MAKE) --no-print-directory $(DATA)
	$(BIN)/python -m cagan_theano train --data $(DATA) --run $(RUN)_gpu --steps $(STEPS) \
	    --device gpu $(if $(wildcard $(RUN)_gpu),--resume)
	$(BIN)/python -m cagan_theano benchmark --device gpu --out figures/gpu --torch-python $(TORCH_PYTHON) \
	    --batch 16 --batch 256 $(GPU_CONTENDERS:%=--contender %)

# The fastest contenders on the CPU; docs/performance.md describes how its numbers were measured.
benchmark: $(READY)
	$(BIN)/python -m cagan_theano benchmark --torch-python $(TORCH_PYTHON)

faults: $(READY)
	KILLS=$(KILLS) $(BIN)/python -m pytest tests/training/test_killed_trainings.py

fuzz: $(READY)
	CASES=$(CASES) $(BIN)/python -m pytest -n 2 tests/io/test_readers.py

# The C++ kernels without XLA.  On x86-64 for each width of vectors: 4, 8 and, where the processor has
# them, 16 numbers.
DRIVER = PYTHONPATH=. $(BIN)/python tests/backends/native_driver.py
MACHINES := $(if $(filter x86_64,$(shell uname -m)),-march=x86-64 -march=x86-64-v3 -march=native,-mcpu=native)

native: $(READY)
	@for machine in $(MACHINES); do echo "$$machine"; $(DRIVER) $$machine || exit 1; done

# Under XLA, which is slow with sanitizers, only what the driver does not check: XLA's calls of each kernel
# and memory shared between calls.
CALLED := (chosen or bit or normalize or adam or step or concurrent) and not XLA

sanitize: $(READY)
	$(DRIVER) -g $(lastword $(MACHINES)) -fsanitize=address,undefined -fno-sanitize-recover=all
	LD_PRELOAD="$$(g++ -print-file-name=libasan.so) $$(g++ -print-file-name=libubsan.so)" \
	    ASAN_OPTIONS=detect_leaks=0 CAGAN_THEANO_CACHE=off PYTHONPATH=. \
	    $(BIN)/python tests/backends/sanitized.py -q -p no:cacheprovider tests/backends/test_native.py -k "$(CALLED)"

arm64: $(READY)
	@command -v aarch64-linux-gnu-g++ >/dev/null && command -v qemu-aarch64-static >/dev/null || { echo 'Error: make arm64 needs a cross compiler and QEMU (Debian: apt install g++-aarch64-linux-gnu qemu-user-static)' >&2; exit 1; }
	$(DRIVER) --compiler aarch64-linux-gnu-g++ --under 'qemu-aarch64-static -L /usr/aarch64-linux-gnu'

# The resolver itself is not pinned, since its result is.  `make pins` takes the newest version of
# every package; `make pins UPGRADE=` keeps existing pins and adds new packages.
UPGRADE := --upgrade
UV := .venv/pins/bin/uv
.venv/pins/bin/uv: | python
	$(PYTHON) -m venv .venv/pins
	.venv/pins/bin/python -m pip install --quiet --disable-pip-version-check uv

# Extras stay in the pins: without coverage[toml]==..., pip finds no hash for pytest-cov's
# coverage[toml] once a newer coverage exists, and refuses to install.
LOCK = $(UV) pip compile --quiet $(UPGRADE) --no-annotate --no-strip-extras --generate-hashes \
    --custom-compile-command 'make pins' --python-version 3.11 pyproject.toml

pins: | $(UV)
	$(LOCK) --extra test requirements/reference.in -o requirements/reference.txt
	$(LOCK) --extra docs requirements/reference.in -o requirements/docs.txt
	$(LOCK) --extra test --universal requirements/today.in -o requirements/today.txt
	$(LOCK) --extra test --extra witness -c requirements/reference.txt requirements/witness.in -o requirements/witness.txt

clean:
	rm -rf .venv figures build .coverage* .pytest_cache .mypy_cache .ruff_cache *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +
