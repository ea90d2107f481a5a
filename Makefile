# Everything here needs Python 3.11, make and a package index, nothing else.
# The environment is .venv; stamps in it make a second `make` do nothing.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
TORCH  := torch==2.13.0
BENCHMARKS := quickstart fold sim wire chaos codecs compression
PROTOS := $(sort $(wildcard protos/fedplat/wire/v1/*.proto))
PROTOC  = $(BIN)/python -m grpc_tools.protoc -Iprotos $(PROTOS)

# One numerics thread a process: the tests run two processes beside each other.
TEST_ENV := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
PYTEST   := $(TEST_ENV) $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help setup demo check format test fast chaos bench docs proto clean

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(VENV)/.dev ## make .venv with fedplat and everything that its developers need

demo: $(VENV)/.run ## 20 clients train a small CNN on handwritten digits, in one process
	$(BIN)/fedplat sim run simulations/scenarios/quickstart.toml

check: $(VENV)/.dev ## style, import contracts, types, generated files are up to date
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	@rm -rf $(VENV)/generated && mkdir -p $(VENV)/generated
	$(PROTOC) --python_out=$(VENV)/generated --pyi_out=$(VENV)/generated
	diff -r -x __init__.py -x __pycache__ $(VENV)/generated/fedplat/wire/v1 fedplat/wire/v1
	$(BIN)/python docs/generate.py --check
	$(BIN)/python -m benchmarks.docs --check

format: $(VENV)/.dev ## rewrite the code in the project's style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: $(VENV)/.dev ## every test, with a coverage report
	HYPOTHESIS_PROFILE=ci $(PYTEST) -n 2 --cov --cov-report=term

fast: $(VENV)/.dev ## the tests that train nothing, under a minute
	$(PYTEST) -n 2 -q -m "not slow and not extra"

chaos: $(VENV)/.run ## 10,000 schedules of faults over the engine of the daemons
	$(BIN)/fedplat chaos run --schedules 10000 --seed 1

bench: $(VENV)/.dev ## every benchmark in its quick form (the full ones: python -m benchmarks.NAME)
	@mkdir -p runs
	@for name in $(BENCHMARKS); do \
	  $(BIN)/python -m benchmarks.$$name --quick --json runs/bench-$$name.json || exit 1; \
	done

docs: $(VENV)/.dev ## write the generated pages of docs/ again
	$(BIN)/python docs/generate.py
	$(BIN)/python -m benchmarks.docs

proto: $(VENV)/.dev ## write fedplat/wire/v1 again, from protos/
	$(PROTOC) --python_out=. --pyi_out=.

clean: ## remove .venv and what tools left behind
	rm -rf $(VENV) build dist *.egg-info .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "fedplat needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 …" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.python pyproject.toml
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	@touch $@
