# `make` lists what there is. Every target does its own set-up: a .venv beside this file.

VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.set-up
CACHE  := .cache

# The Python that makes the .venv. Say another with `make setup PYTHON=python3.13`;
# left alone, python3 will do where there is no python3.11.
PYTHON ?= python3.11
ifeq ($(origin PYTHON),file)
PYTHONS := $(PYTHON) python3
else
PYTHONS := $(PYTHON)
endif

MAKEFLAGS += --no-print-directory
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test bench check docs mutants matrix format-check lint types imports house format clean distclean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## a .venv with everything in it (all other targets do this by themselves)

demo: $(STAMP) ## a spoken conversation with a local server that fails once and cuts the connection once
	@$(BIN)/rejoinder demo

test: $(STAMP) ## all tests; the pure rooms (wire, core, server) must be covered whole
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest --numprocesses auto
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

bench: $(STAMP) ## what a session costs, ours against LiveKit's own plugin, and recovery (three minutes)
	@$(BIN)/python -m bench

check: $(STAMP) ## format, lint, types, imports, house rules: all of them, then the verdict
	@$(MAKE) --keep-going format-check lint types imports house

format-check: $(STAMP)
	@echo "-- format"
	@$(BIN)/ruff format --check --quiet . || { echo "mend it with: make format"; exit 1; }

lint: $(STAMP)
	@echo "-- lint"
	@$(BIN)/ruff check --quiet .

types: $(STAMP)
	@echo "-- types"
	@$(BIN)/mypy

imports: $(STAMP)
	@echo "-- imports"
	@$(BIN)/lint-imports --no-logo --cache-dir $(CACHE)/import_linter

house: $(STAMP)
	@echo "-- house rules"
	@$(BIN)/pytest -q --no-header tests/house

format: $(STAMP) ## put the code into shape
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

docs: $(STAMP) ## write the generated parts of the documents
	@$(BIN)/python -m scripts.docs

mutants: $(STAMP) ## break each mechanism on purpose and see that its tests notice (minutes; ROWS="H1 W3" for some)
	@$(BIN)/python -m scripts.mutants $(ROWS)

matrix: $(STAMP) ## which client hangs on what, ours and others', into docs/faults.md (twenty minutes)
	@$(BIN)/python -m scripts.matrix

clean: ## remove what the other targets made, but for the .venv
	@rm -rf $(CACHE) build dist demo-out .hypothesis .import_linter_cache
	@find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove the .venv as well
	@rm -rf $(VENV)

$(STAMP): pyproject.toml constraints.txt
	@rm -f $@
	@if [ ! -x $(BIN)/python ] || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	    for python in $(PYTHONS); do \
	        "$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' \
	            2>/dev/null && found="$$python" && break; \
	    done; \
	    if [ -z "$$found" ]; then \
	        echo "setup: no Python >= 3.11 (with venv) under the name $(PYTHONS);"; \
	        echo "       say which one to use: make setup PYTHON=/path/to/python3.11"; \
	        exit 1; \
	    fi; \
	    echo "setup: making $(VENV) with $$("$$found" --version)"; \
	    "$$found" -m venv --clear $(VENV) || exit 1; \
	fi
	@echo "setup: installing (the first time takes about a minute)"
	@$(BIN)/python -m pip install -qq --constraint constraints.txt --editable '.[livekit,dev]'
	@touch $@
