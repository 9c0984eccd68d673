# Every target sets up what it needs; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help setup cluster repro repro-all report verify verify-all test audit mutants bench bench-quick browser lint ui lock
PYTHON ?= python3
PORT ?= 5000
BASE ?= HEAD
VENV := .venv
# Not compiled, which takes as long as installing: Python compiles what it imports, the first time. But where it may not
# keep what it compiled, as in many containers, each process would spend ten seconds on it.
PIP := $(VENV)/bin/python -m pip install --disable-pip-version-check --no-compile
COMPILE := @$(if $(PYTHONDONTWRITEBYTECODE),echo "Compiling the packages: Python may not keep bytecode here"; \
	$(VENV)/bin/python -m compileall -q -j 0 $(VENV)/lib > /dev/null || true,:)
# Make the environment's programs the first to be found, as activating it would.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */\1|/' | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(VENV)/.installed  ## create .venv and install the pinned requirements

$(VENV)/.installed: requirements.txt src/requirements-compute.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: Python 3.11 or later is needed, $(PYTHON) is $$($(PYTHON) -V 2>&1): try make PYTHON=python3.12"; exit 1; }
	@echo "Installing the pinned requirements into $(VENV) (once, some minutes)"
	$(PYTHON) -m venv $(VENV)
	$(PIP) -r requirements.txt
	$(COMPILE)
	$(PIP) --quiet --no-deps --no-build-isolation --editable .
	@# The pages of `dvc plots` then open without network.
	@$(VENV)/bin/python -m unroll.tools.plot_page .dvc/tmp/plots.html
	@$(VENV)/bin/dvc config --local plots.html_template tmp/plots.html
	@for folder in pipelines/*/; do \
		(cd $$folder && $(CURDIR)/$(VENV)/bin/dvc config --local plots.html_template ../../../.dvc/tmp/plots.html); done
	@touch $@

$(VENV)/.developing: requirements-dev.txt requirements-cluster.txt $(VENV)/.installed
	@echo "Installing what tests and lint need on top"
	$(PIP) --quiet -r requirements-dev.txt
	$(COMPILE)
	@touch $@

cluster: setup  ## install what `unroll spread` and `search` need on top (docs/scale.md)
	$(PIP) --quiet -r requirements-cluster.txt
	$(COMPILE)

repro: setup  ## run the pipeline where something changed, then print the test metrics
	dvc repro
	@unroll metrics

repro-all: setup  ## run the pipelines under pipelines/ too, all on what comes with the repository
	dvc repro
	@for folder in pipelines/*/; do echo "== $$folder" && (cd $$folder && dvc repro) || exit 1; done

report: setup  ## print in Markdown how metrics differ from a commit (BASE=HEAD), and draw the plots beside its own
	@echo "## Metrics, compared with $(BASE)"
	@for folder in . pipelines/*; do printf '\n### %s\n\n' $$folder && (cd $$folder && dvc metrics diff --md $(BASE)) || exit 1; done
	@dvc plots diff $(BASE) > /dev/null
	@printf '\nThe plots are in dvc_plots/index.html: of a pull request, in the artifact `plots` of its workflow run.\n'

verify: setup  ## run every pipeline twice, under different circumstances, and compare the bytes
	python -m unroll.tools.verify

verify-all: verify browser $(VENV)/.developing  ## the same, then the proofs that take longer than tests may (docs/guarantees.md)
	python -m pytest -m exhaustive

test: $(VENV)/.developing browser  ## run every test but those that take minutes (verify-all)
	python -m pytest

audit: $(VENV)/.audit  ## look for known vulnerabilities and risky code, and list the packages' licences
	@python -m unroll.tools.audit

$(VENV)/.audit: requirements-audit.txt $(VENV)/.developing
	$(PIP) --quiet -r requirements-dev.txt -r requirements-audit.txt
	$(COMPILE)
	@touch $@

mutants: $(VENV)/.mutation  ## change the code in some 300 small ways, and tell which no test notices (an hour or two)
	python -m benchmarks.mutants

$(VENV)/.mutation: requirements-mutation.txt $(VENV)/.developing
	$(PIP) --quiet -r requirements-dev.txt -r requirements-mutation.txt
	$(COMPILE)
	@touch $@

bench: $(VENV)/.developing  ## measure speed beside a textbook implementation; writes docs/benchmarks.md (12 to 20 minutes)
	python -m benchmarks

bench-quick: $(VENV)/.developing  ## the same on fewer rows (3 minutes at most)
	python -m benchmarks --quick

# The tests of pages need Chromium and its driver; elsewhere than on Debian they say that they skipped, and why.
browser:
	@if ! command -v chromedriver > /dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		echo "Installing Chromium, for the tests of pages"; \
		(apt-get update && apt-get install --yes --no-install-recommends chromium chromium-driver) > /dev/null 2>&1 || \
		echo "Chromium could not be installed: the tests of pages say so"; \
	fi

lint: $(VENV)/.developing  ## check style and types
	ruff check .
	ruff format --check .
	mypy

ui: setup  ## serve the MLflow UI on localhost (PORT=5000)
	@unroll ui --port $(PORT)

lock: $(VENV)/.developing  ## write the versions that are installed to requirements*.txt
	python -m unroll.tools.lock
