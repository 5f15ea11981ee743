.PHONY: run serve test prove browser pictures bench lint format lock openapi fixtures release help
.DEFAULT_GOAL := run

PYTHON ?= python3
BIN := .venv/bin
HOST ?= 127.0.0.1
PORT ?= 8000
URL := http://$(HOST):$(PORT)
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r

# A stamp is newer than its requirements once they are installed, so that a second start reinstalls nothing.
.venv/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer, please: make PYTHON=python3.13")'
	$(PYTHON) -m venv .venv
	$(INSTALL) requirements.txt
	@touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	$(INSTALL) requirements-dev.txt
	@touch $@

# Here a database is made, once: a start that misses the one it had does not go on with an empty one. Where the
# environment says which it is (a container, which may begin without .env each time), it is made by hand.
# With it comes a login for development. Where DEBUG is off, create_staff does nothing.
.env: | .venv/installed
	@$(BIN)/python -m notesproject.dotenv
	@$(if $(DATABASE_URL),,$(BIN)/python manage.py migrate --verbosity 0 && $(BIN)/python manage.py create_staff)

run: .venv/installed .env  ## The service on SQLite, for development.
	@$(BIN)/python -m notesproject.port $(HOST) $(PORT)
	@$(BIN)/python manage.py migrate --existing --verbosity 0
	@printf 'Start page      $(URL)/\nBrowsable API   $(URL)/api/v1/notes\n'
	@printf 'Documentation   $(URL)/api/docs\nAdministration  $(URL)/admin/\n\n'
	@$(BIN)/python manage.py runserver $(HOST):$(PORT)

serve: export DEBUG = False
serve: .venv/installed .env  ## The same as in production: DEBUG off, and a real server.
	$(BIN)/python manage.py serve --host $(HOST) --port $(PORT)

test: .venv/installed-dev  ## The whole suite on SQLite and, beside it, on a PostgreSQL that it starts itself.
	$(BIN)/python -m tests

prove: .venv/installed-dev  ## The longer proofs, on both databases.
	$(BIN)/python -m tests -m prove

.venv/installed-browser: tests/browser/requirements.txt .venv/installed-dev
	$(INSTALL) tests/browser/requirements.txt
	@touch $@

export CHROMIUM ?= chromium
.PHONY: chromium
chromium:
	@command -v $(CHROMIUM) > /dev/null || \
		{ echo 'There is no Chromium. On Debian: apt-get install chromium. Elsewhere name one: make browser CHROMIUM=...' >&2; exit 1; }

browser: chromium .venv/installed-browser  ## Every page and form in Chromium, as a person uses them.
	$(BIN)/python -m pytest -q tests/browser

pictures: chromium .venv/installed-browser  ## Take the pictures of the documentation anew.
	$(BIN)/python -m tests.browser.pictures

.venv-bench/installed: benchmarks/requirements.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/pip install --quiet --disable-pip-version-check --require-hashes -r benchmarks/requirements.txt
	@touch $@

# Fifteen minutes. The long form: make bench BENCH="--sizes 1000 100000 1000000 --concurrency 1 16 64"
bench: .venv/installed-dev .venv-bench/installed  ## The service beside its peers: processor time, throughput, memory.
	$(BIN)/python -m benchmarks.service $(BENCH)

lint: .venv/installed-dev  ## Style, common mistakes, and types at the seams.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/installed-dev  ## Mend the style where a tool can.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)

# What is pinned stays so while it still fits; `make lock UPGRADE=1` takes the newest of what we use indirectly.
lock: .venv/installed-dev  ## Write the pinned packages anew, from pyproject.toml.
	$(COMPILE) pyproject.toml --output-file requirements.txt
	$(COMPILE) pyproject.toml --group dev --constraints requirements.txt --output-file requirements-dev.txt
	$(COMPILE) --group browser --constraints requirements-dev.txt --output-file tests/browser/requirements.txt
	$(COMPILE) --group bench --constraints requirements.txt --output-file benchmarks/requirements.txt
	$(COMPILE) --group clients --output-file .ci/clients/requirements.txt

# A test holds the committed one equal to the code.
openapi: .venv/installed-dev  ## Write the OpenAPI document anew.
	DEBUG=True $(BIN)/python manage.py spectacular --validate --fail-on-warn --file openapi.yaml

fixtures: .venv/installed-dev  ## Write databases of this version, which later ones must be able to open.
	$(BIN)/python -m tests.past
	$(BIN)/python -m tests.postgres $(BIN)/python -m tests.past

release: .venv/installed-dev  ## All that a release must pass. With TAG=1.0.0 it then makes the tag.
	$(BIN)/python -m tests.release $(TAG)
	.ci/run
	$(if $(TAG),git tag --annotate --message "Notes $(TAG)" $(TAG))

help:  ## This list.
	@sed -n 's/^\([a-z]*\):.*  ## \(.*\)/make \1\t\2/p' Makefile | expand -t 16
