# From a fresh clone: `make test`, `make figures`.  Each makes the environment that it needs.
#
# Two worlds of versions, pinned with hashes in requirements/:
#   reference  Python 3.11 and 3.12, numpy 1.26, jax 0.7.1; both back ends
#   today      Python 3.11 to 3.13, numpy 2, current jax; JAX back end only
# The first world that the Python at hand can have does the work; the other, where there is one,
# repeats the tests marked both_worlds.

PYTHON ?= python3

WORLDS_3.11 := reference today
WORLDS_3.12 := reference today
WORLDS_3.13 := today

VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
WORLDS := $(WORLDS_$(VERSION))
WORLD := $(firstword $(WORLDS))
BIN := .venv/$(WORLD)/bin

# An environment is complete when its stamp, which names the Python, is newer than its pins.
stamp = .venv/$(1)/installed-$(VERSION)
READY := $(if $(WORLD),$(call stamp,$(WORLD)),python)

SIZE ?= 128x96
PAIRS ?= 15000
SEED ?= 0
DATA ?= data/train_$(SIZE)_$(PAIRS)_$(SEED).h5
RUN ?= runs/cagan_$(SIZE)
STEPS ?= 10000
KILLS ?= 200
CASES ?= 100000
TESTS ?= tests

# A Python that has PyTorch and onnxruntime (pyproject.toml's extra "witness"); without, they are left out.
TORCH_PYTHON ?= $(BIN)/python
GPU_CONTENDERS := ours ours:precision=tf32 ours:precision=bfloat16 torch \
    torch:channels_last=1,precision=tf32 torch:compiled=default,channels_last=1,precision=tf32 \
    torch:compiled=default,channels_last=1,precision=bfloat16

CODE := cagan_theano data_prep replicate tests

FIGURES := figure2 figure3 figure4 figure5 figure6

.DELETE_ON_ERROR:
.PHONY: help python python-3.11 environment environments lint docs test coverage witness figures $(FIGURES) photoshoot train gpu benchmark faults fuzz pins clean

help:
	@echo 'make test          run the tests in each environment that this Python can have'
	@echo 'make coverage      run the tests and print the line coverage of each package (TESTS=$(TESTS))'
	@echo 'make witness       run the tests that compare with PyTorch and ONNX (Python 3.11; installs CPU PyTorch)'
	@echo 'make lint          check style and format with ruff, types with mypy'
	@echo 'make docs          build the documentation as a site, links checked, into build/site/'
	@echo 'make figures       redraw Figures 2 to 6 of the paper into figures/ (one: make figure4)'
	@echo 'make photoshoot    render the training photos: PAIRS=$(PAIRS) SIZE=$(SIZE) SEED=$(SEED) DATA=...'
	@echo 'make train         train on them, or continue: RUN=$(RUN) STEPS=$(STEPS)'
	@echo 'make environment   only install what the commands above need, into .venv/'
	@echo 'make gpu           add the CUDA 12 wheels; check the GPU, train on it (RUN_gpu) and time it'
	@echo 'make benchmark     time this package beside PyTorch: TORCH_PYTHON=python that has it'
	@echo 'make faults        kill, starve and disturb a tiny training: KILLS=$(KILLS)'
	@echo 'make fuzz          read damaged and hostile files: CASES=$(CASES)'
	@echo 'make pins          resolve requirements/*.in again into the exact pins'
	@echo 'make clean         remove .venv/, figures/ and caches; data/ and runs/ stay'
	@echo 'Another Python than python3: make PYTHON=python3.12 test'

python:
	@test -n "$(WORLDS)" || { echo 'Error: $(PYTHON) is $(if $(VERSION),Python $(VERSION),not there); Python 3.11 to 3.13 is needed, for example: make PYTHON=python3.12 $(MAKECMDGOALS)' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo 'Error: $(PYTHON) cannot make environments; install its venv module (Debian: apt install python$(VERSION)-venv)' >&2; exit 1; }

.venv/%/installed-$(VERSION): requirements/%.txt | python
	@echo "installing requirements/$*.txt into .venv/$* (about a minute, once)"
	@rm -rf .venv/$*
	@$(PYTHON) -m venv .venv/$*
	@.venv/$*/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

environment: $(READY)

environments: $(foreach world,$(WORLDS),$(call stamp,$(world))) | python

lint: $(READY)
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy

# Needs .venv/docs, from pins as the other environments.
docs: $(call stamp,docs)
	PYTHONPATH=. .venv/docs/bin/mkdocs build --strict --quiet
	@echo 'wrote build/site/index.html'

test: environments
	$(BIN)/python -m pytest -n 2
ifneq ($(WORLD),$(lastword $(WORLDS)))
	.venv/$(lastword $(WORLDS))/bin/python -m pytest -n 2 -m both_worlds
endif

# Not part of make test: measuring slows the tests.
coverage: $(READY)
	$(BIN)/python -m pytest -n 2 --cov --cov-report=json:build/coverage.json $(TESTS)
	$(BIN)/python tests/coverage_totals.py build/coverage.json

# The wheel of CPU PyTorch is on PyTorch's own package index, not on the default one: pip must be
# configured to find it (PIP_EXTRA_INDEX_URL, or PIP_FIND_LINKS for a folder that holds the wheel).
WITNESS_TESTS := tests/test_pytorch_network.py tests/test_pytorch_train.py tests/test_convert.py tests/test_features.py

witness: $(if $(filter 3.11,$(VERSION)),$(call stamp,witness),python-3.11)
	.venv/witness/bin/python -m pytest $(WITNESS_TESTS)

python-3.11: | python
	@echo 'Error: make witness needs Python 3.11, for which PyTorch is pinned: make PYTHON=python3.11 witness' >&2; exit 1

figures: $(FIGURES)

$(FIGURES): $(READY)
	$(BIN)/python replicate/$@.py

$(DATA): | $(READY)
	@mkdir -p $(@D)
	$(BIN)/python -m data_prep photoshoot $@ --pairs $(PAIRS) --size $(SIZE) --seed $(SEED)

photoshoot: $(DATA)

train: $(DATA) | $(READY)
	$(BIN)/python -m cagan_theano train --data $< --run $(RUN) --steps $(STEPS) $(if $(wildcard $(RUN)),--resume)

# `make gpu` checks the GPU against the CPU over ten steps, trains on it, and times everything.
nvidia:
	@nvidia-smi -L >/dev/null 2>&1 || { echo 'Error: no NVIDIA GPU is here (nvidia-smi finds none); make gpu needs one' >&2; exit 1; }

gpu: nvidia $(READY)
	$(BIN)/python -m pip install --disable-pip-version-check \
	    "jax[cuda12]==$$($(BIN)/python -c 'import jax; print(jax.__version__)')"
	$(BIN)/python replicate/check_gpu.py --size $(SIZE)
	$(MAKE) --no-print-directory $(DATA)
	$(BIN)/python -m cagan_theano train --data $(DATA) --run $(RUN)_gpu --steps $(STEPS) \
	    --device gpu $(if $(wildcard $(RUN)_gpu),--resume)
	$(BIN)/python replicate/benchmark.py --device gpu --out figures/gpu --torch-python $(TORCH_PYTHON) \
	    --batch 16 --batch 256 $(GPU_CONTENDERS:%=--contender %)

# The best that there is on the CPU; docs/performance.md tells how its numbers were made.
benchmark: $(READY)
	$(BIN)/python replicate/benchmark.py --torch-python $(TORCH_PYTHON)

faults: $(READY)
	$(BIN)/python tests/faults/campaign.py --kills $(KILLS)

fuzz: $(READY)
	$(BIN)/python tests/faults/fuzz.py --cases $(CASES)

# The resolver's own version is free: what it finds is in the result.  `make pins` takes the newest of
# everything; `make pins UPGRADE=` keeps the pins that there are and adds what is new.
UPGRADE := --upgrade
UV := .venv/pins/bin/uv
.venv/pins/bin/uv: | python
	$(PYTHON) -m venv .venv/pins
	.venv/pins/bin/python -m pip install --quiet --disable-pip-version-check uv

LOCK = $(UV) pip compile --quiet $(UPGRADE) --no-annotate --generate-hashes \
    --custom-compile-command 'make pins' --python-version 3.11 pyproject.toml

pins: | $(UV)
	$(LOCK) --extra test requirements/reference.in -o requirements/reference.txt
	$(LOCK) --extra docs requirements/reference.in -o requirements/docs.txt
	$(LOCK) --extra test --universal requirements/today.in -o requirements/today.txt
	$(LOCK) --extra test --extra witness -c requirements/reference.txt requirements/witness.in -o requirements/witness.txt

clean:
	rm -rf .venv figures build .coverage* .pytest_cache .mypy_cache .ruff_cache *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +
