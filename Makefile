# make lab: the course in your browser. make test: the whole test suite.
.DEFAULT_GOAL := help
.PHONY: help lab test lint build lock clean

PYTHON ?= python3
# In how many fresh kernels each solved month must score full.
RUNS ?= 1
BIN := .venv/bin
TORCH := $(shell sed -n 's/^ *"\(torch==[^"]*\)",/\1/p' pyproject.toml)
# Jupyter, nbgrader and alembic call each other by name.
export PATH := $(CURDIR)/$(BIN):$(PATH)

help: ## list what make can do
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST)

lab: .venv/lab ## install what is missing, open the course in JupyterLab
	@aisecops lab $(ARGS)

test: .venv/dev ## lint, types, stale-build check, every test, and proof that the graders are right
	@$(MAKE) --no-print-directory lint
	@pytest -n 2 --dist loadscope --cov --cov-report=term --cov-fail-under=90 $(ARGS)
	@AISECOPS_DESK=$(CURDIR)/.cache/no-desk pytest --nbval -p no:cacheprovider source
	@aisecops quality --runs $(RUNS) --json artifacts/quality.json --junit artifacts/quality.xml

lint: .venv/dev ## the hooks of pre-commit: ruff, mypy --strict, stale-build check
	@pre-commit run --all-files --show-diff-on-failure

build: .venv/lab ## compile notebooks/ into source/ and release/
	@aisecops build

lock: .venv/dev ## resolve the pins anew: both locks and environment.yml
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -o requirements.lock pyproject.toml
	@uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -c requirements.lock --group dev -o requirements-dev.lock pyproject.toml
	@python tools/environment.py

clean: ## remove the environment and caches; your workspace/ stays
	@rm -rf .venv .cache artifacts

.venv/lab: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("AI SecOps Lab needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make lab PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@# PyTorch first, in the build that the package index offers; the lock holds all but PyTorch.
	@echo "installing PyTorch into .venv (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	@# The lock is whole. Left to resolve, pip asks for the newest release of what is wanted with an extra, and finds no hash.
	@echo "installing the locked packages into .venv (once, about two minutes)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

.venv/dev: .venv/lab requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	@touch $@
