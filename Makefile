# make demo    a real pipeline, with live progress
# make test    the whole test suite; make test CELLS=1 also on a Grid Engine cell, which it brings up itself
# make torture the long forms of the fault tests, with figures (an hour); JMAN_TORTURE_SECONDS=10 is quicker
# make check   format, lint, types, tests
# make bench   side by side with peers; BENCH='--quick --only startup' goes to benchmarks/run.py
# All of them make .venv first; nothing but Python 3.11+ and make has to be there.

# the tests that need a cluster bring one of their own up, on Debian, when it is 1; else they are skipped
CELLS ?=
export CELLS

PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --quiet
# an editable installation is not compiled by pip: without, the first start takes twice as long, or each one where
# PYTHONDONTWRITEBYTECODE is set
COMPILE = $(VENV)/bin/python -m compileall -q asyncjman

.PHONY: demo test check torture bench lint clean

demo: $(VENV)/.installed
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" sh examples/pipeline.sh demo

test: $(VENV)/.installed-test
	$(VENV)/bin/python -m pytest -n 2

check: lint test

torture: $(VENV)/.installed-test
	-$(PIP) install --editable '.[torture]'
	$(VENV)/bin/python -m tests.faults.torture

lint: $(VENV)/.installed-check
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

bench: $(VENV)/.installed
	$(VENV)/bin/python -m benchmarks.run --json benchmarks/results.json --markdown benchmarks/results.md $(BENCH)

clean:
	rm -rf $(VENV) demo dist build *.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(PIP) install --editable .
	$(COMPILE)
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/bin/python
	$(PIP) install --editable '.[test]'
	$(COMPILE)
	@touch $(VENV)/.installed $@

$(VENV)/.installed-check: pyproject.toml | $(VENV)/bin/python
	$(PIP) install --editable '.[test,check]'
	$(COMPILE)
	@touch $(VENV)/.installed $(VENV)/.installed-test $@
