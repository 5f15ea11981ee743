.PHONY: run serve test prove lint openapi
.DEFAULT_GOAL := run

PYTHON ?= python3
BIN := .venv/bin
HOST ?= 127.0.0.1
PORT ?= 8000
URL := http://$(HOST):$(PORT)

# A stamp is newer than its requirements once they are installed, so that a second start reinstalls nothing.
.venv/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer, please: make PYTHON=python3.13")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

.env: | .venv/installed
	@$(BIN)/python -m notesproject.dotenv

# The service on SQLite, for development.
run: .venv/installed .env
	$(BIN)/python manage.py migrate --verbosity 0
	@printf '\nStart page      $(URL)/\nBrowsable API   $(URL)/api/v1/notes\nDocumentation   $(URL)/api/docs\n'
	@printf 'Administration  $(URL)/admin/   (first: $(BIN)/python manage.py createsuperuser)\n\nA first note, from this folder:\n\n'
	@printf '%s\n\n' 'curl -X POST $(URL)/api/v1/notes -H "X-API-Key: $$(sed -n s/^API_KEY=//p .env)" -H "Content-Type: application/json" -d '"'"'{"title": "Hello", "body": "My first note"}'"'"
	$(BIN)/python manage.py runserver $(HOST):$(PORT)

# One process beside one SQLite file; each of its threads keeps a connection to the database. Most of the threads may wait
# to write, eight work at a time (see notes/turns.py). HTTP/1 alone, as over HTTP/2 a body may come without any length.
# Without the kill timeout a stalled upload would hold up a stop for ever.
GRANIAN := $(BIN)/granian --interface wsgi --http 1 --no-ws --workers 1 --respawn-failed-workers \
	--blocking-threads 160 --blocking-threads-idle-timeout 60 \
	--http1-header-read-timeout 15000 --workers-kill-timeout 20

# The same service as in production: DEBUG off, a real server, static files collected.
serve: export DEBUG = False
serve: .venv/installed .env
	$(BIN)/python manage.py migrate --verbosity 0
	$(BIN)/python manage.py collectstatic --noinput --verbosity 0
	$(BIN)/python manage.py check
	$(GRANIAN) --host $(HOST) --port $(PORT) notesproject.wsgi:application

# The whole suite, on SQLite and then on a PostgreSQL that it starts itself.
test: .venv/installed-dev
	$(BIN)/python -m pytest -q
	$(BIN)/python -m tests.postgres $(BIN)/python -m pytest -q

# The longer proofs, on both databases.
prove: .venv/installed-dev
	$(BIN)/python -m pytest -q -m prove
	$(BIN)/python -m tests.postgres $(BIN)/python -m pytest -q -m prove

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Write the OpenAPI document anew; a test holds the committed one equal to the code.
openapi: .venv/installed-dev
	DEBUG=True $(BIN)/python manage.py spectacular --validate --fail-on-warn --file openapi.yaml
