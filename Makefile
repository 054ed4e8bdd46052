# Headwater's commands. `make help` lists them; each makes .venv first where it needs one.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
STAMP := .venv/.ready
CORE := */headwater/errors.py,*/headwater/model/*,*/headwater/syncs/*,*/headwater/consumers/*,*/headwater/mutations/*
PINS := requirements/run.txt requirements/dev.txt requirements/uv.txt requirements/kafka.sha256

.PHONY: help setup run test check format cover bench journeys docs pins clean

help:  ## list these commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'

setup: $(STAMP)  ## make .venv with everything in it; does nothing when nothing changed

$(STAMP): $(PINS) pyproject.toml scripts/setup.sh scripts/kafka.py
	@scripts/setup.sh

run: setup  ## start Headwater with the demo on a local file database
	$(BIN)/headwater serve --demo

test: setup  ## all tests, with real servers and short journeys
	$(BIN)/pytest -q -n auto -m "not journey"
	$(BIN)/pytest -q -m journey

check: setup  ## format, lint, types, imports, dependencies, spelling, and the tests that need no server
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/codespell
	$(BIN)/pytest -q -n auto -m "not server and not journey"

format: setup  ## put the code into shape and fix what can be fixed
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

cover: setup  ## all tests, and which lines and branches they reach; the core must be whole
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=95
	$(BIN)/coverage report --fail-under=100 --include='$(CORE)'

bench: setup  ## measure, print the table, write benchmarks/latest.json
	$(BIN)/python -m benchmarks

journeys: setup  ## the journeys in their long forms
	HEADWATER_JOURNEYS=long $(BIN)/pytest tests/journeys

docs: setup  ## write the generated tables in docs/ anew
	@if [ -f scripts/docs.py ]; then $(BIN)/python scripts/docs.py; else echo "docs: no generated tables yet"; fi

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url
pins: setup  ## renew the pinned versions in requirements/
	$(COMPILE) --upgrade --group dev --extra testing --extra targets pyproject.toml -o requirements/dev.txt
	$(COMPILE) -c requirements/dev.txt pyproject.toml -o requirements/run.txt
	echo uv | $(COMPILE) -c requirements/dev.txt - -o requirements/uv.txt

clean:  ## remove what commands here have made
	rm -rf .venv .kafka .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* htmlcov build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
