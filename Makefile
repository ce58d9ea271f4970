# The project's commands. They need only Python 3.11 or later, make and git; everything else is installed into .venv.
#   make          install, then run the pipeline on pipeline_config.toml
#   make test     install with the test tools, then run the quick tests (ARGS="-k name" is passed on)
#   make test-all run all tests, also the long ones: faults, whole-wheel runs, Dask, the browser, fuzz seeds
#   make test-long  run only the long tests
#   make check    check formatting, lint, types, and the imports between packages
#   make schemas  write the JSON Schemas of stages/schemas from the types of stages/artifacts
#   make docs     build the documentation into site/; a broken link is an error
#   make bench    run the benchmarks, and compare the results with their limits   (minutes)
#   make faults   kill the pipeline 200 times, and check that nothing is lost
#   make mutants  break the program in known ways, and check that a test fails for each
#   make corpus   read the standard library and all installed packages as extensions   (half an hour)
#   make fuzz     fuzz the readers of third-party files, guided by coverage   (a minute each)
#   make clean    remove the files that the pipeline made; the environment and other folders stay
.DEFAULT_GOAL := run
.PHONY: run test test-all test-long check schemas docs bench faults mutants corpus fuzz constraints clean
.DELETE_ON_ERROR:
SHELL := /bin/sh

# The newest of these Python versions that can create a virtual environment.
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

# Hides the theme's notice about the next MkDocs, which is not about these pages. --quiet would hide warnings from --strict.
docs: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict $(ARGS)
	@echo "The pages are in site/: $(BIN)/python -m http.server --directory site"

bench: $(VENV)/installed-bench
	$(BIN)/python benchmarks/bench.py $(ARGS)

faults: $(VENV)/installed-test
	KILLS=$${KILLS:-200} $(BIN)/pytest tests/faults -s $(ARGS)

mutants: $(VENV)/installed-test
	$(BIN)/python tests/mutants/run.py $(ARGS)

# All files of which the quick tests read a sample, and the standard libraries of newer installed interpreters.
corpus: $(VENV)/installed-test
	CORPUS_SAMPLE=$${CORPUS_SAMPLE:-1} $(BIN)/pytest --timeout 7200 tests/corpus tests/stages/python/test_grammar.py $(ARGS)

fuzz: $(VENV)/installed-fuzz
	for target in kit_toml checkpoint config build_links python_source python_newer settings cpp exports archives text; do \
		$(BIN)/python tests/fuzz/fuzz.py $$target -max_total_time=$${SECONDS_EACH:-60} -timeout=20 $(ARGS) || exit 1; done

clean: $(VENV)/installed
	$(BIN)/doit clean

# One stamp per set of packages: a second make installs nothing. The build tool is pinned like the other packages, so that
# the installed packages depend neither on the day nor on the version of pip.
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

# Pins the newest version of every package of every extra. Review and commit the result.
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
