# make demo   installs what the library needs and shortens a few-shot prompt with the bundled model
# make test   installs the development tools too, then lints, checks types and runs the tests

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install --quiet --no-input --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint types format clean
.DELETE_ON_ERROR:

demo: $(VENV)/.runtime
	@$(BIN)/python -m diffumask_core.demo

test: lint types
	$(BIN)/pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist .*_cache .hypothesis

$(VENV)/.runtime: $(VENV)/pyvenv.cfg pyproject.toml constraints.txt
	@echo "Installing into $(VENV); the first time takes a few minutes ..."
	$(INSTALL) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/pyvenv.cfg pyproject.toml constraints.txt
	@echo "Installing into $(VENV); the first time takes a few minutes ..."
	$(INSTALL) -e ".[dev]"
	@touch $@ $(VENV)/.runtime

$(VENV)/pyvenv.cfg:
	$(PYTHON) -m venv $(VENV)
