"""Whatever the database suffers: a 503 or 507 in the one error body, and recovery without a restart.

test_database.py has the faults that a connection can be given, test_proof_faults.py has them under load.
"""

import sqlite3
import time
from contextlib import closing, contextmanager
from datetime import timedelta
from secrets import token_hex
from types import SimpleNamespace

import psycopg.errors
import pytest
from django.db import DatabaseError, InterfaceError, OperationalError, ProgrammingError, connection
from django.utils import timezone

from notes import databases, verification
from notes.models import Notebook
from notesproject.environment import BASE_DIR
from tests.disk import no_room, small_disk
from tests.problems import problem_of
from tests.server import serving
from tests.wire import Connection

NOTES = "/api/v1/notes"
OPERATION = (BASE_DIR / "docs" / "operation.md").read_text()
NEW = {"title": "New", "body": "x" * 90_000}

# A test that starts a server copies the database of the tests, so that there has to be one, whichever test runs alone.
pytestmark = pytest.mark.django_db(transaction=True)
on_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite's file")

# The table of codes


def raised(by_driver):
    """Return the error as Django raises it. Its class does not matter."""
    error = DatabaseError("the database says more than a client may know")
    error.__cause__ = by_driver
    return error


def of_sqlite(code):
    error = sqlite3.DatabaseError()
    error.sqlite_errorcode = code
    return raised(error)


@pytest.mark.once
def test_every_code_of_sqlite_but_those_of_a_statement_is_a_fault():
    primary = range(1, 27)

    blamed = {code for code in primary if not databases.is_fault(of_sqlite(code))}

    names = ["SQLITE_TOOBIG", "SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_MISUSE", "SQLITE_RANGE"]
    assert blamed == {getattr(sqlite3, name) for name in names}
    assert {code for code in primary if databases.is_full_disk(of_sqlite(code))} == {sqlite3.SQLITE_FULL}


@pytest.mark.once
@pytest.mark.parametrize(
    ("name", "is_fault"),
    [("SQLITE_CORRUPT_VTAB", True), ("SQLITE_BUSY_RECOVERY", True), ("SQLITE_CONSTRAINT_UNIQUE", False)],
)
def test_the_longer_codes_of_sqlite_are_as_their_primary_ones(name, is_fault):
    assert databases.is_fault(of_sqlite(getattr(sqlite3, name))) is is_fault


@pytest.mark.once
def test_every_code_of_postgresql_but_those_of_a_statement_is_a_fault():
    every = {error.sqlstate: error for error in vars(psycopg.errors).values() if hasattr(error, "sqlstate")}
    states = {state: raised(error()) for state, error in every.items() if isinstance(state, str)}

    blamed = {state for state, error in states.items() if not databases.is_fault(error)}

    assert len(states) > 200
    assert {state[:2] for state in blamed} == {"0A", "10", "20", "21", "22", "23", "26", "34", "42", "44", "54"}
    # What a server says that is gone, full, locked, read-only, damaged, overloaded or half migrated.
    faults = {"08006", "53100", "55P03", "25006", "XX001", "53300", "57P01", "42P01", "42703", "42501", "3D000"}
    assert faults & blamed == set()
    assert [state for state, error in states.items() if databases.is_full_disk(error)] == ["53100"]


@pytest.mark.once
def test_an_error_without_a_code_goes_by_its_class():
    assert databases.is_fault(OperationalError("could not connect"))
    assert databases.is_fault(InterfaceError("the connection is closed"))
    assert not databases.is_fault(ProgrammingError("a mistake of ours"))
    assert not databases.is_fault(ValueError())
    assert not databases.is_fault(None)


# The schema


@pytest.mark.parametrize(
    ("change", "back", "says"),
    [
        ("notes_note RENAME TO notes_moved", "notes_moved RENAME TO notes_note", "no such table"),
        ("notes_note RENAME metadata TO moved", "notes_note RENAME moved TO metadata", "no such column"),
    ],
    ids=["a table", "a column"],
)
def test_a_half_migrated_database_is_a_503_until_it_is_whole(operator, browser, note, change, back, says, log_lines):
    address = f"{NOTES}/{note.uuid}"
    browser.raise_request_exception = False
    # They have answered before: what is compiled and kept must not count.
    assert {operator.get(address).status_code, operator.get(address).status_code} == {200}

    execute(f"ALTER TABLE {change}")
    try:
        answers = [
            operator.get(address),
            operator.get(NOTES),
            operator.post(NOTES, NEW),
            operator.patch(address, {"title": "Newer"}),
            browser.get(f"/admin/notes/note/{note.pk}/change/"),
        ]
    finally:
        execute(f"ALTER TABLE {back}")

    for answer in answers:
        assert problem_of(answer, 503)["code"] == "database_unavailable"
        assert int(answer["Retry-After"]) > 0
    assert_explained(log_lines.getvalue(), says if connection.vendor == "sqlite" else "does not exist")
    assert operator.get(address).json()["title"] == "Plan"
    assert operator.patch(address, {"title": "Newer"}).json()["revision"] == 2


def execute(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)


# The clock


def test_a_clock_set_back_an_hour_loses_no_order_and_refuses_nobody(operator, note, notebook, settings, monkeypatch):
    settings.NOTES_RATE_WRITES = (1000, 60)
    before = operator.post(NOTES, {"title": "Before"}).json()
    past = timezone.now() - timedelta(hours=1)
    monkeypatch.setattr(timezone, "now", lambda: past)
    monkeypatch.setattr("notes.api.throttling.time", SimpleNamespace(time=past.timestamp))

    created = operator.post(NOTES, {"title": "After"}, headers={"Idempotency-Key": "one"})
    repeat = operator.post(NOTES, {"title": "After"}, headers={"Idempotency-Key": "one"})
    edited = operator.patch(f"{NOTES}/{before['id']}", {"body": "More"}).json()
    deleted = operator.delete(f"{NOTES}/{note.uuid}")

    assert (created.status_code, repeat.json()["id"], deleted.status_code) == (201, created.json()["id"], 204)
    assert edited["updated_at"] == before["updated_at"]
    changes = operator.get("/api/v1/changes", {"since": 0}).json()["results"]
    assert [change["revision"] for change in changes] == [3, 4, 5]
    assert list(verification.problems(notebook)) == []


# A full disk of PostgreSQL


@pytest.mark.skipif(connection.vendor != "postgresql", reason="about a tablespace")
def test_a_full_tablespace_is_a_507_until_there_is_room(operator, note, notebook, log_lines):
    # Its log must have room: PostgreSQL stops without it, and is then a 503.
    with small_disk(megabytes=8) as disk, notes_on(disk):
        with no_room(disk):
            # Text that cannot be made shorter. The last page of the table has room for some more.
            answers = [operator.post(NOTES, {"title": "New", "body": token_hex(45_000)}) for _ in range(10)]
            read = operator.get(f"{NOTES}/{note.uuid}")
        after = operator.post(NOTES, NEW)

    assert {answer.status_code for answer in answers} <= {201, 507}
    assert problem_of(answers[-1], 507)["code"] == "database_full"
    assert "Nothing was stored" in answers[-1].json()["detail"]
    assert_explained(log_lines.getvalue(), "No space left on device")
    assert (read.status_code, after.status_code) == (200, 201)
    assert list(verification.problems(notebook)) == []


@contextmanager
def notes_on(disk):
    execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
    execute("ALTER TABLE notes_note SET TABLESPACE small")
    try:
        yield
    finally:
        execute("ALTER TABLE notes_note SET TABLESPACE pg_default")
        execute("DROP TABLESPACE small")


# The file of SQLite, under a running server


@pytest.fixture(scope="module")
def disk():
    with small_disk(megabytes=8) as folder:
        yield folder


@pytest.fixture(scope="module")
def path(disk, django_db_setup, django_db_blocker):
    path = disk / "data" / "notes.sqlite3"
    path.parent.mkdir()
    with django_db_blocker.unblock(), closing(sqlite3.connect(path)) as copy:
        Notebook.objects.get_or_create(name="default", defaults={"public": True})
        with closing(sqlite3.connect(":memory:")) as packed:
            connection.connection.backup(packed)
            # Other tests have left free pages, more than the small disk has.
            packed.execute("VACUUM")
            packed.backup(copy)
    return path


@pytest.fixture(scope="module")
def server(path):
    """One server for all faults: each has to find it well."""
    with serving("--processes", "2", DATABASE_URL=f"sqlite:///{path}") as server:
        yield server


@pytest.fixture
def client(server):
    with Connection(server.url) as client:
        assert client.send("POST", NOTES, {"title": "Before"}).status == 201
        yield client
        # Without a restart.
        assert client.send("POST", NOTES, {"title": "After"}).status == 201
        assert client.get(NOTES).status == 200
        assert client.get("/readyz").status == 200


def assert_explained(log, message):
    """Assert that the log has this message, and that the page for operators says what to do then."""
    assert message in log
    assert f"`{message}`" in OPERATION


def assert_fault(answer, status, says="Nothing was stored"):
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert says in answer.json()["detail"]


def stored(path):
    """Return how many writes the database has, by its counter and by its log."""
    numbers = "SELECT revision, (SELECT max(number) FROM notes_revision), (SELECT count(*) FROM notes_revision)"
    with closing(sqlite3.connect(path)) as copy:
        (count,) = {*copy.execute(f"{numbers} FROM notes_notebook").fetchone()}
    return count


@on_sqlite
def test_a_folder_that_is_gone_is_a_503_until_it_is_back(client, server, path):
    path.parent.rename(path.parent.with_name("elsewhere"))
    read, write = client.get(NOTES), client.send("POST", NOTES, NEW)
    path.parent.with_name("elsewhere").rename(path.parent)

    assert_fault(read, 503, says="Try again")
    assert_fault(write, 503)
    assert_explained(server.log, "unable to open database file")


@on_sqlite
def test_a_full_disk_is_a_507_until_there_is_room(client, server, path, disk):
    before = stored(path)
    with no_room(disk):
        # The log beside the database has room for some more.
        answers = [client.send("POST", NOTES, NEW) for _ in range(100)]
        read = client.get(NOTES)

    assert {answer.status for answer in answers} <= {201, 507}
    assert_fault(answers[-1], 507, says="The disk of the database is full")
    assert answers[-1].json()["code"] == "database_full"
    assert_explained(server.log, "database or disk is full")
    assert read.status == 200
    assert stored(path) == before + sum(answer.status == 201 for answer in answers)


@on_sqlite
def test_a_damaged_file_is_a_503_until_a_whole_one_takes_its_place(client, server, path):
    whole = path.with_name("whole")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(whole)) as copy:
        source.backup(copy)
        source.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    # No connection of this process is open, so that no lock is lost.
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))

    answers = [answer for _ in range(10) for answer in (client.get(NOTES), client.send("POST", NOTES, NEW))]
    for name in ("notes.sqlite3", "notes.sqlite3-wal", "notes.sqlite3-shm"):
        path.with_name(name).unlink()
    whole.rename(path)

    assert {answer.status for answer in answers[-2:]} == {503}
    assert {answer.status for answer in answers} <= {200, 201, 503}
    assert_explained(server.log, "database disk image is malformed")


@on_sqlite
@pytest.mark.prove
def test_a_database_that_another_program_keeps_locked_is_a_503_after_five_seconds(client, server, path):
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        write = client.send("POST", NOTES, NEW)
        waited = time.monotonic() - started
        read = client.get(NOTES)

    assert_fault(write, 503)
    assert_explained(server.log, "database is locked")
    assert 4 < waited < 7
    assert read.status == 200
