# Every target prepares what it needs: a private virtual environment, the compiled package, then the work itself.
# A fresh machine needs Python 3.11 or newer and a C++ compiler, nothing else.
#
#   make demo    complete scikit-learn's digits from 40 % of their pixels; writes halfseen-demo/
#   make test    the test suite (without the slow part)
#   make check   style, types, house rules, every example in the documentation
#   make lowest  the tests with the lowest version of every dependency (requirements/lowest.txt)
#   make sanitize  the kernels' tests under the address and undefined-behaviour sanitizers, every instruction set
#   make fuzz    damaged files of every format, read in child processes, then Atheris on the plain Python parts (FUZZ=seconds)
#   make slow    the long statistical tests, and the coverage study (an hour; goes on where it stopped)
#   make bench   speed against other libraries, as ratios
#   make profile  where the time of every estimator goes: kernels, linear algebra, Python
#   make docs    the documentation site, into docs/_build/html
#   make clean   remove everything made here

PYTHON ?= $(shell command -v python3.11 >/dev/null 2>&1 && python3.11 -c "" >/dev/null 2>&1 && echo python3.11 || echo python3)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
STAMPS := $(VENV)/.stamps

# The editable install sees edited .py files at once; these files need a new build.
BUILD_INPUTS := pyproject.toml $(wildcard CMakeLists.txt) $(shell find src/cpp -type f 2>/dev/null)

# One thread per BLAS call: the library spreads its own row blocks, and two layers of threads only fight.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
# Compiled files are kept: without them every worker and every command that a test starts compiles the library anew.
export PYTHONDONTWRITEBYTECODE :=
# Where the reader's locale is not UTF-8, pages and tables still are.
export PYTHONUTF8 ?= 1

.DEFAULT_GOAL := help
.PHONY: help demo test lowest sanitize fuzz check lint types house examples slow bench profile docs picture clean

help:
	@sed -n 's/^#   //p' Makefile

$(STAMPS)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "halfseen needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Try: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' has no venv module (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@echo "preparing $(VENV) with $$($(PYTHON) --version 2>&1)"
	@$(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS)
	@touch $@

$(STAMPS)/install: $(STAMPS)/python $(BUILD_INPUTS)
	@echo "installing halfseen (compiles its kernels; a minute or two)"
	@$(PIP) install --editable '.[test]'
	@touch $@

# `make test TORCH=` does without it; tests and examples that need it are then skipped.
$(STAMPS)/torch: $(STAMPS)/install
	@torch=$${TORCH-$$($(BIN)/python scripts/extra.py test-torch)}; [ -z "$$torch" ] || { \
	  echo "installing $$torch, for the tests of neural models"; $(PIP) install "$$torch" || \
	  echo "could not install $$torch: tests and examples of neural models are skipped" >&2; }
	@touch $@

$(STAMPS)/bench: $(STAMPS)/install
	@echo "installing the libraries that the benchmarks compare with"
	@for package in $$($(BIN)/python scripts/extra.py bench); do \
	  $(PIP) install "$$package" || echo "could not install $$package: its contestants are left out" >&2; done
	@touch $@

# Without torch the one example that needs it is left out; `make docs TORCH=torch` has it too.
$(STAMPS)/docs: $(STAMPS)/install
	@echo "installing Sphinx and its extensions"
	@$(PIP) install $$($(BIN)/python scripts/extra.py docs) $(TORCH)
	@touch $@

demo: $(STAMPS)/install
	@$(BIN)/halfseen demo --force

# Two processes by default; WORKERS=0 runs everything in one, for a debugger.
WORKERS ?= 2
test: $(STAMPS)/torch
	@$(BIN)/python -m pytest -q -n $(WORKERS) -m "not slow"

# `make lowest LOWEST_TESTS=tests/data` runs a part of them.
LOWEST := build/lowest
LOWEST_TESTS ?= tests
lowest:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || { \
	  echo "the lowest versions need Python 3.11 or 3.12; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)" >&2; exit 1; }
	@echo "installing the lowest versions into $(LOWEST), and halfseen with them (a few minutes)"
	@$(PYTHON) -m venv --clear $(LOWEST)
	@$(LOWEST)/bin/python -m pip --disable-pip-version-check --quiet install -r requirements/lowest.txt cmake ninja
	@PATH="$(CURDIR)/$(LOWEST)/bin:$$PATH" $(LOWEST)/bin/python -m pip --disable-pip-version-check --quiet install \
	  --no-build-isolation --no-cache-dir --no-deps .
	@$(LOWEST)/bin/python -m pip --disable-pip-version-check check
	@$(LOWEST)/bin/python -m pytest -q -m "not slow" $(LOWEST_TESTS)

# What this compiler's sanitizers say of the kernels on every instruction set, and then of the whole fast suite; the
# result is kept in tests/kernels/sanitized.json. `make sanitize SUITE=tests/data` runs a part of the suite.
SUITE ?= tests
sanitize: $(STAMPS)/install
	@$(PIP) install cmake ninja nanobind
	@$(BIN)/python scripts/sanitize.py
	@$(BIN)/python scripts/sanitize.py --suite $(SUITE)

FUZZ ?= 600
fuzz: $(STAMPS)/install
	@$(BIN)/python tests/fuzz/fuzz_run.py --seconds $(FUZZ) --seed $$(date +%j) $(FUZZ_WITH)
	@$(BIN)/python tests/fuzz/fuzz_python.py --seconds $$(( $(FUZZ) / 5 ))

# The record says how every slow test ended; what passed at this commit is not run again (KEEP=1: at any commit).
SLOW_WORKERS ?= 1
SLOW_RECORD := benchmarks/results/slow.json
slow: $(STAMPS)/torch
	@$(BIN)/python -m pytest -q -n $(SLOW_WORKERS) -m slow --record $(SLOW_RECORD) $(if $(KEEP),--record-keep)
	@$(BIN)/halfseen reproduce generalized-latent-factors/coverage
	@$(BIN)/python -m pytest -q tests/reproduce/test_coverage_study.py

check: lint types house examples

lint: $(STAMPS)/install
	@$(BIN)/ruff check .

types: $(STAMPS)/install
	@$(BIN)/mypy
	@$(BIN)/mypy --strict tests/house/user_program.py

house: $(STAMPS)/torch
	@$(BIN)/python scripts/house_rules.py

examples: $(STAMPS)/torch
	@$(BIN)/python -m pytest -q --doctest-modules src/halfseen
	@$(BIN)/python scripts/run_examples.py README.md docs examples

bench: $(STAMPS)/bench
	@$(BIN)/python benchmarks/run.py $(BENCH)

profile: $(STAMPS)/install
	@$(BIN)/python benchmarks/profile_fits.py --out benchmarks/results/profile.csv

docs: $(STAMPS)/docs
	@echo "building the site: running the examples that changed, reading the pages and docstrings (about three minutes)"
	@$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html
	@echo "done: open docs/_build/html/index.html"

# The digits of the demo, made by the demo itself, and the small pictures of the start page.
picture: $(STAMPS)/install
	@$(BIN)/halfseen demo --force -o build/demo
	@cp build/demo/completed.png docs/_static/demo.png
	@$(BIN)/python scripts/job_pictures.py

clean:
	rm -rf $(VENV) build dist docs/_build docs/api/generated docs/gallery docs/papers halfseen-demo .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
