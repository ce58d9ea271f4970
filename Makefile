# The project's commands. Only Python 3.11 or later, make and git are needed; everything else is installed into .venv.
#   make          install, then run the pipeline on pipeline_config.toml
#   make test     install with the test tools, then run the quick tests (ARGS="-k name" is passed on)
#   make test-all the long tests as well: faults, whole-wheel runs, Dask, the browser, fuzz seeds
#   make test-long  the long tests alone
#   make check    formatting, lint, types, and which room may import which
#   make schemas  write the JSON Schemas of stages/schemas from the types of stages/artifacts
#   make docs     build the documentation into site/; a link that leads nowhere fails it
#   make bench    measure, and compare with the bars                    (minutes)
#   make faults   kill the pipeline 200 times and see that nothing is lost
#   make mutants  break the program in known ways, and see that a test fails for each
#   make corpus   read the standard library and all installed packages as extensions   (half an hour)
#   make fuzz     feed the readers of others' files with whatever bytes find new ways through them (a minute each)
#   make clean    remove what the pipeline made; the environment and other folders stay
.DEFAULT_GOAL := run
.PHONY: run test test-all test-long check schemas docs bench faults mutants corpus fuzz constraints clean
.DELETE_ON_ERROR:
SHELL := /bin/sh

# The newest of these, which are known to work, that can make a virtual environment.
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3 python; do \
	"$$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && \
	{ echo "$$name"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
ARGS ?=

run: $(VENV)/installed
	$(BIN)/doit $(ARGS)

test: $(VENV)/installed-test
	$(BIN)/pytest -m "not long" $(ARGS)

test-all: $(VENV)/installed-test
	$(BIN)/pytest $(ARGS)

test-long: $(VENV)/installed-test
	$(BIN)/pytest -m long $(ARGS)

check: $(VENV)/installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

schemas: $(VENV)/installed
	$(BIN)/python -m stages.artifacts.json_schema

# The theme's notice about the next MkDocs is no warning about these pages. Not --quiet: it hides warnings from --strict.
docs: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict $(ARGS)
	@echo "The pages are in site/: $(BIN)/python -m http.server --directory site"

bench: $(VENV)/installed-bench
	$(BIN)/python benchmarks/bench.py $(ARGS)

faults: $(VENV)/installed-test
	KILLS=$${KILLS:-200} $(BIN)/pytest tests/faults -s $(ARGS)

mutants: $(VENV)/installed-test
	$(BIN)/python tests/mutants/run.py $(ARGS)

# What the quick tests sample, and the standard libraries of newer interpreters that are installed.
corpus: $(VENV)/installed-test
	CORPUS_SAMPLE=$${CORPUS_SAMPLE:-1} $(BIN)/pytest --timeout 7200 tests/corpus tests/stages/python/test_grammar.py $(ARGS)

fuzz: $(VENV)/installed-fuzz
	for target in kit_toml checkpoint config build_links python_source python_newer settings cpp exports archives text; do \
		$(BIN)/python tests/fuzz/fuzz.py $$target -max_total_time=$${SECONDS_EACH:-60} -timeout=20 $(ARGS) || exit 1; done

clean: $(VENV)/installed
	$(BIN)/doit clean

# One stamp for each set of packages: a second make installs nothing. The build tool is a pinned package like the others,
# so that what is installed does not depend on the day or on the version of pip.
$(VENV)/bin/pip:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later with its venv module is needed; none was found." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: EXTRAS =
$(VENV)/installed-test: EXTRAS = [test]
$(VENV)/installed-bench: EXTRAS = [bench]
$(VENV)/installed-docs: EXTRAS = [docs]
$(VENV)/installed-fuzz: EXTRAS = [fuzz]
$(VENV)/installed $(VENV)/installed-test $(VENV)/installed-bench $(VENV)/installed-docs $(VENV)/installed-fuzz: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(PIP) install --constraint constraints.txt setuptools
	$(PIP) install --constraint constraints.txt --no-build-isolation --editable '.$(EXTRAS)'
	touch $(VENV)/installed $@

# Every package of every extra at the newest version, to be read and committed.
constraints:
	rm -rf .venv-constraints
	$(PYTHON) -m venv .venv-constraints
	.venv-constraints/bin/python -m pip install --quiet --upgrade setuptools
	.venv-constraints/bin/python -m pip install --quiet --no-build-isolation --editable ".[$$($(PYTHON) -c \
		'import tomllib; print(",".join(tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]))')]"
	{ echo "# Made by: make constraints"; .venv-constraints/bin/python -m pip freeze --all --exclude-editable \
		--exclude pip | LC_ALL=C sort -f; } >constraints.tmp
	! grep -n '[@/]' constraints.tmp
	mv constraints.tmp constraints.txt
	rm -rf .venv-constraints
