# make demo   installs what the library needs and shortens a few-shot prompt with the bundled model
# make test   installs the development tools too, then lints, checks types and runs the tests
# make test-search   runs the property tests on many new examples each; takes an hour or more
# make test-oldest   runs the tests of the adapters against the oldest frameworks that they support
# make docs   builds the pages as a site into build/site and checks its links; make docs-serve shows it
# make fuzz   fuzzes each target for FUZZ_SECONDS, or one: make fuzz FUZZ_TARGETS=json
# make dist   builds wheel and sdist into dist and checks them; make dist-check installs both and runs the demo
# make sbom   writes what a base install brings into dist/sbom.json; make audit looks for known holes in it

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := pip install --quiet --no-input --disable-pip-version-check -c constraints.txt
INSTALL := $(BIN)/$(PIP_INSTALL) -c constraints-newest.txt
OLDEST := .venv-oldest
DOCS := .venv-docs
FUZZ := .venv-fuzz
RELEASE := .venv-release
FUZZ_SECONDS ?= 180
FUZZ_TARGETS ?= parse prompt regions messages-chat messages-responses messages-anthropic conversation json server

.PHONY: demo test test-search test-oldest lint types format docs docs-serve fuzz dist dist-check sbom audit clean
.DELETE_ON_ERROR:

demo: $(VENV)/.runtime
	@$(BIN)/python -m diffumask_core.demo

# Two workers: each holds models of some GB. Work is taken over in stretches, since tests of a file share what they load.
test: lint types
	$(BIN)/pytest --numprocesses 2 --dist worksteal

test-search: $(VENV)/.dev
	EXAMPLES=search $(BIN)/pytest

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

docs: $(DOCS)/.dev
	$(DOCS)/bin/mkdocs build --quiet
	$(DOCS)/bin/python scripts/site/check_site.py build/site

docs-serve: $(DOCS)/.dev
	$(DOCS)/bin/mkdocs serve

fuzz: $(FUZZ)/.dev
	@for target in $(FUZZ_TARGETS); do \
	  echo "$$target ..."; \
	  $(FUZZ)/bin/python -m fuzz $$target -max_total_time=$(FUZZ_SECONDS) -timeout=60 || exit 1; \
	done

dist: $(RELEASE)/.dev
	rm -rf dist
	$(RELEASE)/bin/python -m build --outdir dist .
	$(RELEASE)/bin/twine check --strict dist/*
	$(RELEASE)/bin/python scripts/check_dist.py dist

# Into empty environments, and away from the checkout, so that what is not in the packages is missed.
dist-check: dist
	for package in dist/*.whl dist/*.tar.gz; do \
	  rm -rf build/installed && $(PYTHON) -m venv build/installed && \
	  build/installed/bin/$(PIP_INSTALL) "$$package" && \
	  (cd / && $(CURDIR)/build/installed/bin/python -m diffumask_core.demo > /dev/null && \
	  $(CURDIR)/build/installed/bin/diffumask --version) || exit 1; \
	done

build/base/.installed: pyproject.toml constraints.txt
	rm -rf build/base
	$(PYTHON) -m venv --without-pip build/base
	$(RELEASE)/bin/python -m pip --python build/base/bin/python install --quiet --no-input -c constraints.txt .
	@touch $@

sbom: $(RELEASE)/.dev build/base/.installed
	@mkdir -p dist
	$(RELEASE)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --of JSON -o dist/sbom.json \
	  build/base/bin/python

audit: $(RELEASE)/.dev build/base/.installed
	$(RELEASE)/bin/pip-audit --strict --progress-spinner off --path build/base/lib/python3*/site-packages

clean:
	rm -rf $(VENV) $(OLDEST) $(DOCS) $(FUZZ) $(RELEASE) build dist fuzz/corpus .*_cache .hypothesis

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

# Each of these has an extra of its own name.
$(DOCS)/.dev $(FUZZ)/.dev $(RELEASE)/.dev: .venv-%/.dev: pyproject.toml constraints.txt
	@echo "Installing into .venv-$*; the first time takes a few minutes ..."
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/$(PIP_INSTALL) -e ".[$*]"
	@touch $@

$(VENV)/pyvenv.cfg:
	$(PYTHON) -m venv $(VENV)
