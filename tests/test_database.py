"""The database keeps every acknowledged write, lets writers take turns, and answers a fault with a 503 or 507."""

import sqlite3
import threading
import time
from contextlib import contextmanager

import pytest
from django.conf import settings as project_settings
from django.core.management import call_command
from django.db import IntegrityError, OperationalError, connection, connections, models, transaction
from django.db.backends.sqlite3 import base
from django.db.utils import ConnectionHandler
from django.test.utils import CaptureQueriesContext

from notes.models import Note, Notebook, Revision, Tag
from notesproject.environment import database
from tests.problems import problem_of
from tests.writing import create_note

NOTES = "/api/v1/notes"
IS_SQLITE = project_settings.DATABASES["default"]["ENGINE"].endswith("sqlite")
on_sqlite = pytest.mark.skipif(not IS_SQLITE, reason="about SQLite")
on_postgresql = pytest.mark.skipif(IS_SQLITE, reason="about PostgreSQL")


def value_of(statement, on=connection):
    with on.cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone()
        return row and row[0]


def stored():
    return list(Note.objects.order_by("pk").values()), Revision.objects.count(), Notebook.objects.default().revision


# Both databases


def test_no_request_is_one_transaction_as_a_whole():
    assert project_settings.DATABASES["default"].get("ATOMIC_REQUESTS", False) is False


QUERIES = {
    # The request: how many statements it takes, without transaction control.
    "GET list": 2,
    "GET one": 2,
    "GET list unchanged": 1,
    # A search without hits reads no note: the notebook, the prefix (SQLite), three groups of hits.
    "GET search without hits": 5 if IS_SQLITE else 4,
    # One statement looks for notes of the same moment, one writes the search index (SQLite: two), two count a new tag.
    "POST": 10 if IS_SQLITE else 9,
    # Two statements write the search index (SQLite: four), four remove two tags that no other note bears.
    "PUT": 14 if IS_SQLITE else 12,
    "PATCH": 10 if IS_SQLITE else 8,
    "PATCH without a change": 3,
    "DELETE": 12 if IS_SQLITE else 11,
    "refused POST": 2,
}


@pytest.mark.parametrize("asked", QUERIES)
@pytest.mark.django_db
def test_each_request_costs_its_known_number_of_queries(operator, notebook, by, asked):
    first, *_ = [create_note(notebook, by, title=f"Note {number}", tags=["a", "b"]) for number in range(5)]
    url = f"{NOTES}/{first.uuid}"
    tag = operator.get(NOTES).get("ETag", "")
    requests = {
        "GET list": lambda: operator.get(NOTES),
        "GET one": lambda: operator.get(url),
        "GET search without hits": lambda: operator.get(NOTES, {"q": "nothing"}),
        "GET list unchanged": lambda: operator.get(NOTES, headers={"If-None-Match": tag}),
        "POST": lambda: operator.post(NOTES, {"title": "New", "tags": ["x"]}),
        "PUT": lambda: operator.put(url, {"title": "New"}),
        "PATCH": lambda: operator.patch(url, {"title": "New"}),
        "PATCH without a change": lambda: operator.patch(url, {"title": "Note 0"}),
        "DELETE": lambda: operator.delete(url),
        "refused POST": lambda: operator.post(NOTES, {"title": 1}),
    }

    with CaptureQueriesContext(
        connection,
    ) as captured:
        response = requests[asked]()

    statements = [
        query["sql"]
        for query in captured
        if not query["sql"].startswith(("BEGIN", "COMMIT", "ROLLBACK", "SAVE", "REL"))
    ]
    assert response.status_code < 500
    assert len(statements) == QUERIES[asked], "\n".join(statements)


@pytest.mark.django_db(transaction=True)
def test_a_write_that_fails_halfway_leaves_nothing(operator, note):
    before = stored()

    def fail(execute, sql, params, many, context):
        if "UPDATE" in sql and "notes_notebook" in sql:
            raise OperationalError("the last statement of a write")
        return execute(sql, params, many, context)

    for write in (
        lambda: operator.post(NOTES, {"title": "New"}),
        lambda: operator.patch(f"{NOTES}/{note.uuid}", {"title": "New"}),
        lambda: operator.delete(f"{NOTES}/{note.uuid}"),
    ):
        with connection.execute_wrapper(fail):
            response = write()

        assert problem_of(response, 503)
        assert stored() == before


# SQLite


@pytest.fixture
def service(tmp_path, django_db_blocker):
    """A connection as the service opens it, to a database that `migrate` has made."""
    path = tmp_path / "my notes" / "100% notes.sqlite3"
    path.parent.mkdir()
    path.touch()
    handler = ConnectionHandler({"default": database(f"sqlite:///{str(path).replace('%', '%25')}")})
    with django_db_blocker.unblock():
        yield handler["default"]
        handler["default"].close()


@on_sqlite
def test_each_connection_is_durable_patient_and_strict(service):
    settings_of = {
        name: value_of(f"PRAGMA {name}", service)
        for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
    }

    assert settings_of == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 5_000, "foreign_keys": 1}


@on_sqlite
@pytest.mark.django_db
def test_the_connections_of_the_tests_are_those_of_the_service():
    assert value_of("PRAGMA journal_mode") == "wal"
    assert value_of("PRAGMA synchronous") == 2
    assert value_of("PRAGMA busy_timeout") == 5_000
    assert value_of("PRAGMA foreign_keys") == 1


@on_sqlite
@pytest.mark.django_db(transaction=True)
def test_a_transaction_has_the_write_lock_from_its_start(notebook):
    rival = sqlite3.connect(connection.settings_dict["NAME"], timeout=0, isolation_level=None)

    with transaction.atomic(), pytest.raises(sqlite3.OperationalError, match="locked"):
        rival.execute("BEGIN IMMEDIATE")

    rival.execute("BEGIN IMMEDIATE")
    rival.execute("ROLLBACK")
    rival.close()


@on_sqlite
@pytest.mark.django_db(transaction=True)
def test_a_writer_waits_while_another_process_recovers_what_a_killed_one_has_left(operator, note, monkeypatch):
    recovering = OperationalError("database is locked")
    recovering.__cause__ = sqlite3.OperationalError()
    recovering.__cause__.sqlite_errorcode = sqlite3.SQLITE_BUSY_RECOVERY
    begin, errors = base.DatabaseWrapper._start_transaction_under_autocommit, [recovering]

    def begin_later(database):
        if errors:
            raise errors.pop()
        begin(database)

    monkeypatch.setattr(base.DatabaseWrapper, "_start_transaction_under_autocommit", begin_later)

    assert operator.patch(f"{NOTES}/{note.uuid}", {"title": "New"}).status_code == 200
    assert errors == []


@on_sqlite
@pytest.mark.django_db(transaction=True)
def test_a_migration_checks_the_rows_of_the_tables_that_it_makes_anew_alone(note):
    column = models.BooleanField(default=False)
    column.set_attributes_from_name("extra")

    with CaptureQueriesContext(connection) as captured, connection.schema_editor() as editor:
        editor.add_field(Tag, column)
    with connection.schema_editor() as editor:
        editor.remove_field(Tag, column)
    with pytest.raises(IntegrityError):
        orphan_a_tag(column)

    checks = [query["sql"] for query in captured if "foreign_key_check" in query["sql"]]
    assert checks == ['PRAGMA foreign_key_check("notes_tag")']
    assert not Tag.objects.filter(key="x").exists()


def orphan_a_tag(column):
    with connection.schema_editor() as editor:
        Tag.objects.create(notebook_id=Notebook.objects.default().pk + 1, key="x", name="x", notes=1)
        editor.add_field(Tag, column)


@on_sqlite
def test_the_service_does_not_create_a_lost_file(tmp_path, django_db_blocker):
    path = tmp_path / "lost.sqlite3"
    handler = ConnectionHandler({"default": database(f"sqlite:///{path}")})

    with django_db_blocker.unblock(), pytest.raises(OperationalError, match="unable to open"):
        value_of("SELECT 1", handler["default"])
    assert not path.exists()


@on_sqlite
def test_migrate_creates_the_file_and_its_folder(tmp_path, monkeypatch, django_db_blocker):
    path = tmp_path / "new folder" / "notes.sqlite3"
    handler = ConnectionHandler({"default": database(f"sqlite:///{path}")})
    new = handler["default"]

    with django_db_blocker.unblock():
        monkeypatch.setattr(connections._connections, "default", new)
        try:
            call_command("migrate", verbosity=0)
            tables = set(new.introspection.table_names())
        finally:
            new.close()

    assert path.exists()
    assert {"notes_note", "notes_notebook", "notes_revision"} <= tables


@pytest.fixture
def rival(notebook):
    """Another process that holds the write lock."""
    rival = sqlite3.connect(connection.settings_dict["NAME"], timeout=5, isolation_level=None)
    rival.execute("BEGIN IMMEDIATE")
    yield rival
    rival.close()


@pytest.fixture
def pragma(transactional_db):
    """Set something of this connection, and close it afterwards."""
    yield lambda text: value_of(f"PRAGMA {text}")
    connection.close()


@on_sqlite
@pytest.mark.django_db(transaction=True)
def test_reads_take_no_write_lock(operator, note, rival, monkeypatch):
    monkeypatch.setattr(connections["default"], "patience_seconds", 0.05)

    for path in (NOTES, f"{NOTES}/{note.uuid}", "/api/v1/me", "/api/v1/nope", "/readyz", "/healthz"):
        started = time.monotonic()

        assert operator.get(path).status_code < 500
        assert operator.head(path).status_code < 500
        assert time.monotonic() - started < 1


@on_sqlite
@pytest.mark.django_db(transaction=True)
def test_a_database_that_stays_locked_is_a_503_and_loses_nothing(operator, note, rival, monkeypatch):
    before = stored()
    monkeypatch.setattr(connections["default"], "patience_seconds", 0.05)

    response = operator.patch(f"{NOTES}/{note.uuid}", {"title": "New"})

    assert problem_of(response, 503)
    assert "Retry-After" in response
    assert stored() == before
    rival.execute("ROLLBACK")
    assert operator.patch(f"{NOTES}/{note.uuid}", {"title": "New"}).status_code == 200


@on_sqlite
@pytest.mark.django_db(transaction=True)
def test_a_writer_waits_for_the_lock_instead_of_failing(operator, note, rival):
    # The rival's connection belongs to this thread; the writer gets one of its own.
    answers = []

    def write():
        answers.append(operator.patch(f"{NOTES}/{note.uuid}", {"title": "New"}).status_code)
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    writer.join(timeout=0.3)
    assert answers == []
    rival.execute("ROLLBACK")
    writer.join(timeout=10)

    assert answers == [200]


@on_sqlite
@pytest.mark.django_db(transaction=True)
def test_a_read_only_database_is_a_503_and_can_still_be_read(operator, note, pragma):
    before = stored()
    pragma("query_only = 1")

    response = operator.post(NOTES, {"title": "New"})

    assert problem_of(response, 503)
    assert operator.get(f"{NOTES}/{note.uuid}").status_code == 200
    pragma("query_only = 0")
    assert stored() == before


@on_sqlite
@pytest.mark.django_db(transaction=True)
def test_a_full_database_is_a_507_and_loses_nothing(operator, note, pragma):
    pragma(f"max_page_count = {pragma('page_count')}")
    # Free pages that other tests have left take some notes first.
    for _ in range(50):
        before = stored()
        response = operator.post(NOTES, {"title": "New", "body": "x" * 90_000})
        if response.status_code != 201:
            break

    assert problem_of(response, 507)["code"] == "database_full"
    assert "Retry-After" in response
    assert stored() == before
    pragma("max_page_count = 1073741823")
    assert operator.post(NOTES, {"title": "New", "body": "x" * 90_000}).status_code == 201


@on_sqlite
@pytest.mark.django_db
def test_no_statement_of_a_write_reads_through_a_whole_table(operator, note):
    with CaptureQueriesContext(connection) as captured:
        created = operator.post(NOTES, {"title": "New", "tags": ["x"]})
        operator.patch(created["Location"], {"title": "Newer", "tags": ["y"]})
        operator.delete(created["Location"])

    plans = [plan_of(query["sql"]) for query in captured if query["sql"].startswith(("SELECT", "UPDATE", "DELETE"))]
    assert len(plans) > 10
    assert not [plan for plan in plans if "SCAN notes_" in plan and "VIRTUAL TABLE" not in plan]


def plan_of(sql):
    # The statement as Django shows it, with values in place of parameters.
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}".replace("%", "%%"), [])
        return "\n".join([sql, *(row[-1] for row in cursor.fetchall())])


# PostgreSQL


@on_postgresql
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "value"),
    [("statement_timeout", "30s"), ("lock_timeout", "5s"), ("idle_in_transaction_session_timeout", "1min")],
)
def test_no_statement_of_a_request_runs_or_waits_without_end(name, value):
    # A new connection: `migrate`, which may run for hours, has lifted the timeout of the one that the tests share.
    fresh = connections.create_connection("default")

    assert value_of(f"SHOW {name}", fresh) == value
    fresh.close()


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_connection_that_the_server_has_closed_is_opened_again(operator, note):
    value_of("SELECT 1")
    backend = connection.connection.info.backend_pid
    other = connections.create_connection("default")
    value_of(f"SELECT pg_terminate_backend({backend}, 5000)", other)
    other.close()
    assert connection.settings_dict["CONN_HEALTH_CHECKS"] is True

    # Django does this at the start of each request; its test client leaves it out.
    connection.close_if_unusable_or_obsolete()

    assert operator.get(f"{NOTES}/{note.uuid}").status_code == 200


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_read_only_server_is_a_503_and_can_still_be_read(operator, note):
    before = stored()
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")

    response = operator.post(NOTES, {"title": "New"})
    read = operator.get(f"{NOTES}/{note.uuid}")
    connection.close()

    assert problem_of(response, 503)
    assert read.status_code == 200
    assert stored() == before


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_notebook_that_stays_locked_is_a_503_and_other_reads_go_on(operator, note):
    before = stored()
    other = connections.create_connection("default")
    other.set_autocommit(False)
    value_of("SELECT id FROM notes_notebook FOR UPDATE", other)
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")

    response = operator.patch(f"{NOTES}/{note.uuid}", {"title": "New"})
    read = operator.get(f"{NOTES}/{note.uuid}")
    other.rollback()
    other.close()
    connection.close()

    assert problem_of(response, 503)
    assert read.status_code == 200
    assert stored() == before


# What a 503 says of a write


@contextmanager
def commit_fails(on):
    """Let the database fail while it commits: SQLite is interrupted as it stores the index, PostgreSQL hangs up."""
    if connection.vendor == "sqlite":

        def interrupt(statement):
            if statement == "COMMIT":
                on.connection.set_progress_handler(lambda: 1, 1)

        on.connection.set_trace_callback(interrupt)
        try:
            yield
        finally:
            on.connection.set_trace_callback(None)
            on.connection.set_progress_handler(None, 0)
        return
    with on.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION end_connection() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$"
        )
        for table in ("notes_revision", "notes_apikey"):
            cursor.execute(
                f"CREATE CONSTRAINT TRIGGER end_connection AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED "
                "FOR EACH ROW EXECUTE FUNCTION end_connection()"
            )
    try:
        yield
    finally:
        on.close()
        with on.cursor() as cursor:
            cursor.execute("DROP FUNCTION end_connection() CASCADE")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("path", "fields"), [(NOTES, {"title": "New"}), ("/api/v1/keys", {"name": "k", "level": "read"})]
)
def test_a_failed_commit_leaves_open_whether_the_write_was_stored(operator, notebook, path, fields):
    if IS_SQLITE and path != NOTES:
        pytest.skip("a key has no search index, in whose storing SQLite can be interrupted")

    with commit_fails(connections["default"]):
        response = operator.post(path, fields)

    detail = problem_of(response, 503)["detail"]
    assert "not known whether it was stored" in detail
    assert "same Idempotency-Key" in detail
    assert "Nothing was stored" not in detail


@pytest.mark.django_db(transaction=True)
def test_a_later_request_is_told_of_its_own_fault_alone(operator, note):
    operator.patch(f"{NOTES}/{note.uuid}", {"title": "New"})

    def fail(execute, sql, params, many, context):
        raise OperationalError("the first statement of a request")

    with connection.execute_wrapper(fail):
        write, read = operator.post(NOTES, {"title": "New"}), operator.get(NOTES)

    assert "Nothing was stored" in problem_of(write, 503)["detail"]
    assert "stored" not in problem_of(read, 503)["detail"]
