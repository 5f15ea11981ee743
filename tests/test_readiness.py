"""/readyz: ready while the database can be read and written; never slow; and nothing in it for strangers."""

import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings as project_settings
from django.db import connection, connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from notes import readiness
from notes.search import index
from tests.problems import problem_of

IS_SQLITE = project_settings.DATABASES["default"]["ENGINE"].endswith("sqlite")
on_sqlite = pytest.mark.skipif(not IS_SQLITE, reason="about SQLite")
on_postgresql = pytest.mark.skipif(IS_SQLITE, reason="about PostgreSQL")

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """A process that has not asked yet."""
    monkeypatch.setattr(readiness, "is_migrated", False)


@pytest.fixture
def database(monkeypatch):
    """Set something of the database for new connections, such as that of the probe."""
    return lambda **changed: [
        monkeypatch.setitem(connections.settings["default"], name, value) for name, value in changed.items()
    ]


def assert_not_ready(log_lines, reason):
    response = Client().get("/readyz")

    assert problem_of(response, 503)["detail"] == "The service is not ready. Its log says why."
    assert int(response["Retry-After"]) > 0
    assert " ERROR notes.readiness " in log_lines.getvalue()
    assert reason in log_lines.getvalue()


def test_the_service_is_ready():
    for method in ("get", "head"):
        assert getattr(Client(), method)("/readyz").status_code == 200
    assert Client().get("/readyz").json() == {"status": "ok"}


def test_a_database_that_is_gone_is_not_ready(database, log_lines, tmp_path):
    if IS_SQLITE:
        database(NAME=f"file:{tmp_path}/gone.sqlite3?mode=rw")
        assert_not_ready(log_lines, "gone.sqlite3 is not there")
    else:
        database(HOST=str(tmp_path))
        assert_not_ready(log_lines, "The database does not answer: ")
    assert Client().get("/healthz").status_code == 200


@on_postgresql
def test_a_database_that_hangs_is_not_ready_in_time(database, log_lines, monkeypatch):
    monkeypatch.setattr(readiness, "PATIENCE_SECONDS", 0.2)
    threads = threading.active_count()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        database(HOST="127.0.0.1", PORT=silent.getsockname()[1])
        started = time.monotonic()

        for _ in range(3):
            assert_not_ready(log_lines, "has not answered")

        assert time.monotonic() - started < 3
        # They wait for one that asks.
        assert threading.active_count() == threads + 1
    readiness.asking.join(10)


def test_many_probes_at_a_time_are_all_answered():
    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(lambda _: Client().get("/readyz").status_code, range(40)))

    assert statuses == [200] * 40


def test_a_database_that_is_not_migrated_is_not_ready(log_lines):
    recorder, [last] = MigrationRecorder(connection), MigrationLoader(connection).graph.leaf_nodes("notes")
    recorder.record_unapplied(*last)
    try:
        assert_not_ready(log_lines, "run manage.py migrate")
    finally:
        recorder.record_applied(*last)
    assert Client().get("/readyz").status_code == 200


def test_a_database_without_its_search_index_is_not_ready(notebook, log_lines):
    index.execute(index.engine().DROP)
    try:
        assert_not_ready(log_lines, "run manage.py rebuild_search")
    finally:
        index.clear()


@on_sqlite
def test_a_full_disk_is_not_ready(settings, log_lines):
    settings.NOTES_MAX_REQUEST_BYTES = 10**18

    assert_not_ready(log_lines, "is full")


@on_sqlite
def test_a_folder_that_may_not_be_written_is_not_ready(monkeypatch, log_lines):
    access = os.access
    # The owner of this process may be root, who may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: not os.path.isdir(path) and access(path, mode))

    assert_not_ready(log_lines, "may not be written")


@on_postgresql
def test_a_database_that_takes_no_writes_is_not_ready(log_lines):
    name = connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        try:
            assert_not_ready(log_lines, "takes no writes")
        finally:
            cursor.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    assert Client().get("/readyz").status_code == 200


def test_later_probes_cost_a_few_statements(monkeypatch):
    assert readiness.problem() is None
    monkeypatch.setattr(readiness, "MigrationExecutor", None)

    assert readiness.problem() is None
