# make demo   installs what the library needs and shortens a few-shot prompt with the bundled model
# make test   installs the development tools too, then lints, checks types and runs the tests
# make test-oldest   runs the tests of the adapters against the oldest frameworks that they support

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := pip install --quiet --no-input --disable-pip-version-check -c constraints.txt
INSTALL := $(BIN)/$(PIP_INSTALL) -c constraints-newest.txt
OLDEST := .venv-oldest

.PHONY: demo test test-oldest lint types format clean
.DELETE_ON_ERROR:

demo: $(VENV)/.runtime
	@$(BIN)/python -m diffumask_core.demo

test: lint types
	$(BIN)/pytest

# The oldest LlamaIndex is declared in a way that today's pydantic warns of.
test-oldest: $(OLDEST)/.dev
	$(OLDEST)/bin/pytest tests/integrations -W ignore::pydantic.warnings.UnsupportedFieldAttributeWarning

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(OLDEST) build dist .*_cache .hypothesis

$(VENV)/.runtime: $(VENV)/pyvenv.cfg pyproject.toml constraints.txt constraints-newest.txt
	@echo "Installing into $(VENV); the first time takes a few minutes ..."
	$(INSTALL) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/pyvenv.cfg pyproject.toml constraints.txt constraints-newest.txt
	@echo "Installing into $(VENV); the first time takes a few minutes ..."
	$(INSTALL) -e ".[dev]"
	@touch $@ $(VENV)/.runtime

$(OLDEST)/.dev: pyproject.toml constraints.txt constraints-oldest.txt
	@echo "Installing into $(OLDEST); the first time takes a few minutes ..."
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/$(PIP_INSTALL) -c constraints-oldest.txt -e ".[dev]"
	@touch $@

$(VENV)/pyvenv.cfg:
	$(PYTHON) -m venv $(VENV)
