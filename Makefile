# Everything that is done with this repository, from a first try to the checks before a release.
# Needs make and Python 3.11 or newer; all else is installed into virtual environments inside this folder.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo airflow test test-all coverage test-airflow-2.11 matrix test-cluster many-accounts lint format types docs bench
.PHONY: distributions wheel wheel-airflow-2.11 audit constraints clean

# Airflow 2.11 does not run on Python 3.13. PYTHON=... chooses an interpreter; without it the first that fits is taken.
PYTHON ?=
PYTHON_FOR_3_3 = $$(sh .ci/find_python.sh 14 $(PYTHON))
PYTHON_FOR_2_11 = $$(sh .ci/find_python.sh 12 $(PYTHON))

# What pip downloads stays in this folder as well, and all environments share it.
export PIP_CACHE_DIR ?= $(CURDIR)/.cache/pip
export PIP_DISABLE_PIP_VERSION_CHECK = 1

# Where a machine forbids byte code, each of the hundreds of processes that tests start would compile this package anew.
export PYTHONDONTWRITEBYTECODE =

# Two processes of tests, each of which takes what the other has left to do.
WORKERS ?= 2
PARALLEL = -n $(WORKERS) --dist worksteal

CURRENT := constraints/airflow-3.3.txt
FLOOR := constraints/airflow-2.11.txt

# $(call venv,folder,python,constraints): an empty environment with the pinned pip; older ones know no dependency groups
venv = python=$(2) && "$$python" -m venv --clear $(1) && $(1)/bin/python -m pip install -qq -c $(3) pip
# $(call into,folder,constraints,extras,group): this package, editable, with extras and a dependency group
into = $(1)/bin/python -m pip install -qq -c $(2) --build-constraint $(2) --group $(4) -e '.[$(3)]'

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9.-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/demo.stamp  ## Watch a real Airflow take two snapshots and compare them, then play back some days of one assistant
	@.venv/bin/python -m demo

airflow: .venv/demo.stamp  ## Run Airflow with the example DAGs and a stand-in PureTalk, until Ctrl-C
	@.venv/bin/python -m demo airflow

test: .venv/dev.stamp  ## Run the tests on Airflow 3.3 but for the long ones (ARGS="-k name" goes to pytest; WORKERS=0: in one process)
	.venv/bin/python -m pytest $(PARALLEL) -m "not cluster and not long" $(ARGS)

test-all: .venv/dev.stamp  ## Run all tests on Airflow 3.3 that need no other servers
	.venv/bin/python -m pytest $(PARALLEL) --durations=40 $(ARGS)

# Each process writes a file of its own, and the rooms are held against .ci/coverage-floors.toml.
coverage: .venv/dev.stamp  ## Run all tests as test-all does, and hold the coverage by branch against its floors
	rm -rf .cache/coverage && mkdir -p .cache/coverage
	.venv/bin/coverage run -m pytest $(PARALLEL) $(ARGS)
	.venv/bin/coverage combine -q
	.venv/bin/coverage json -q -o .cache/coverage/report.json
	.venv/bin/coverage report
	.venv/bin/python .ci/coverage.py .cache/coverage/report.json

# What is the same with every Airflow is long, and test-all has run it.
test-airflow-2.11: .venv-airflow-2.11/dev.stamp  ## Run the same tests on Airflow 2.11
	.venv-airflow-2.11/bin/python -m pytest $(PARALLEL) -m "not cluster and not any_airflow" $(ARGS)

matrix:  ## Run them on each Airflow and Python at hand, and with the lowest versions (hours; ROWS="3.1@3.13 lowest@3.11" chooses)
	@.ci/matrix $(ROWS)

test-cluster: .venv/dev.stamp  ## Run the tests that need a running Airflow on PostgreSQL (some minutes)
	.venv/bin/python -m pytest -m cluster tests/cluster $(ARGS)

many-accounts: .venv/dev.stamp  ## Read 300 accounts on Celery workers, one of which is killed (an hour or two; ARGS="--accounts 60")
	.venv/bin/python -m tests.cluster $(ARGS)

lint: .venv/dev.stamp  ## Check style, formatting, and which room imports which
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports --no-cache

format: .venv/dev.stamp  ## Correct what can be corrected
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

types: .venv/dev.stamp  ## Check types
	.venv/bin/mypy

docs: .venv/dev.stamp  ## Build the docs into build/docs; a warning is an error
	.venv/bin/sphinx-build -q -W --keep-going -b html docs build/docs

bench: .venv/bench.stamp  ## Measure us and others (half an hour), and write benchmarks/README.md
	.venv/bin/python -m benchmarks.run $(ARGS)

distributions: .venv/release.stamp
	rm -rf dist
	.venv/bin/python .ci/build.py dist
	.venv/bin/twine check --strict dist/*
	.venv/bin/check-wheel-contents dist
	.venv/bin/python .ci/sbom.py --check

wheel: distributions  ## Build into dist/ (twice: the same bytes), then install and check the wheel in a clean environment
	.venv/bin/python .ci/check_wheel.py dist $(CURRENT)

wheel-airflow-2.11: distributions .venv-airflow-2.11/dev.stamp  ## The same, with Airflow 2.11
	.venv-airflow-2.11/bin/python .ci/check_wheel.py dist $(FLOOR)

audit: .venv/release.stamp  ## Hold every version in constraints/ against the published advisories (needs the internet)
	.venv/bin/python .ci/audit.py

constraints: .venv-constraints/bin/uv  ## Resolve the constraint files anew
	constraints/compile.sh .venv-constraints/bin/uv

clean:  ## Remove environments, caches, builds and what the demo left, snapshots included
	rm -rf .venv .venv-airflow-2.11 .venv-constraints .venv-matrix .cache .demo build dist
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/pip.stamp: $(CURRENT)
	@echo "Making .venv"
	@$(call venv,.venv,$(PYTHON_FOR_3_3),$(CURRENT))
	@touch $@

.venv/demo.stamp: .venv/pip.stamp pyproject.toml
	@echo "Installing Airflow 3.3 and this package into .venv (under a minute, with a fast line)"
	@$(call into,.venv,$(CURRENT),parquet$(,)zstd$(,)sandbox,examples)
	@touch $@

.venv/dev.stamp: .venv/demo.stamp
	@echo "Installing what tests and checks need into .venv (under a minute, with a fast line)"
	@$(call into,.venv,$(CURRENT),parquet$(,)zstd$(,)s3$(,)sandbox,dev)
	@touch $@

.venv/bench.stamp: .venv/dev.stamp
	@echo "Installing what is measured beside us into .venv"
	@$(call into,.venv,$(CURRENT),parquet$(,)zstd$(,)s3$(,)sandbox,bench)
	@touch $@

.venv/release.stamp: .venv/dev.stamp
	@echo "Installing what a wheel is checked with into .venv"
	@$(call into,.venv,$(CURRENT),parquet$(,)zstd$(,)s3$(,)sandbox,release)
	@touch $@

# The same in one installation, for .ci/run: pip goes through all that is wanted once instead of three times.
.venv/everything.stamp: .venv/pip.stamp pyproject.toml
	@echo "Installing Airflow 3.3, this package, and what tests, checks and a release need into .venv"
	@$(call into,.venv,$(CURRENT),parquet$(,)zstd$(,)s3$(,)sandbox,examples --group dev --group release)
	@touch .venv/demo.stamp && touch .venv/dev.stamp && touch .venv/release.stamp && touch $@

.venv-airflow-2.11/dev.stamp: $(FLOOR) pyproject.toml
	@echo "Making .venv-airflow-2.11, with Airflow 2.11 and what tests need (a minute or two)"
	@$(call venv,.venv-airflow-2.11,$(PYTHON_FOR_2_11),$(FLOOR))
	@$(call into,.venv-airflow-2.11,$(FLOOR),parquet$(,)zstd$(,)s3$(,)sandbox,test)
	@touch $@

.venv-constraints/bin/uv:
	@python=$(PYTHON_FOR_3_3) && "$$python" -m venv --clear .venv-constraints
	@.venv-constraints/bin/python -m pip install -qq uv

, := ,
