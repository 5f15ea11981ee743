"""A database that an older version wrote is migrated, and every note, revision, hit, key and receipt is still there.

The databases in tests/fixtures/ are those of released versions; tests/past.py says how they were made.
"""

import gzip
import json
import subprocess
import uuid
from contextlib import contextmanager
from io import BytesIO, StringIO
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.utils import ConnectionHandler
from django.utils import timezone

from notes import databases, transfer, verification
from notes.door import Door
from notes.models import Notebook
from notes.search import index
from notesproject.environment import database
from tests.past import Client, described
from tests.postgres import bin_directory

FIXTURES = Path(__file__).parent / "fixtures"
IS_SQLITE = settings.DATABASES["default"]["ENGINE"].endswith("sqlite")
SOURCES = sorted(FIXTURES.glob("*/*.sqlite3.gz" if IS_SQLITE else "*/*.dump"))


@pytest.fixture(scope="module", params=SOURCES, ids=lambda path: f"{path.parent.name} {path.name}")
def past(request, tmp_path_factory, django_db_blocker):
    """The path of an older version's database. Django's connection leads to a migrated copy of it."""
    opened = unpacked if IS_SQLITE else restored
    with django_db_blocker.unblock(), opened(request.param, tmp_path_factory.mktemp("past")) as url:
        tests_own = connections["default"]
        connections["default"] = ConnectionHandler({"default": database(url)})["default"]
        ContentType.objects.clear_cache()
        try:
            call_command("migrate", verbosity=0)
            if any("rebuild_search" in (message.hint or "") for message in run_checks(databases=["default"])):
                call_command("rebuild_search", stdout=StringIO())
            yield request.param
        finally:
            connection.close()
            connections["default"] = tests_own
            ContentType.objects.clear_cache()


@contextmanager
def unpacked(path, folder):
    copy = folder / "notes.sqlite3"
    copy.write_bytes(gzip.decompress(path.read_bytes()))
    yield f"sqlite:///{copy}"


@contextmanager
def restored(path, folder):
    name, host = f"past_{uuid.uuid4().hex}", connection.settings_dict["HOST"]
    with psycopg.connect(host=host, user="postgres", dbname="postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        restore = [bin_directory() / "pg_restore", "--exit-on-error", "--no-owner", "--host", host]
        subprocess.run([*restore, "--username=postgres", "--dbname", name, path], check=True)
        yield f"postgres://postgres@/{quote(host)}/{name}"
        server.execute(f"DROP DATABASE {name}")


@pytest.fixture(scope="module")
def description(past):
    vendor = "sqlite" if IS_SQLITE else "postgresql"
    return json.loads((past.parent / f"{vendor}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def present(description):
    """All that the API shows of each notebook now, in the order of the description. No test changes it."""
    return [described(notebook["key"]) for notebook in description["notebooks"]]


def assert_holds(now, before):
    """Assert that an answer has everything that it had then. There may be more fields: the contract may grow."""
    if isinstance(before, dict):
        assert now.keys() >= before.keys()
        for name, value in before.items():
            assert_holds(now[name], value)
    elif isinstance(before, list):
        assert len(now) == len(before)
        for one, other in zip(now, before):
            assert_holds(one, other)
    else:
        assert now == before


# Of these versions a process may still run while its database is migrated. Leave out those that a release has ended.
VERSIONS = sorted(name for app, name in MigrationLoader(None).disk_migrations if app == "notes" and name >= "0002")


@pytest.mark.django_db
@pytest.mark.parametrize("version", VERSIONS)
def test_code_of_the_versions_before_reads_and_writes_beside_that_of_today(version, by):
    models = MigrationLoader(None).project_state(("notes", version)).apps
    old = {name: models.get_model("notes", name).objects for name in ("Notebook", "Note", "Revision", "Receipt", "Tag")}
    now = timezone.now()
    content = {"title": "Old", "body": "line", "tags": ["work"], "updated_at": now}

    home = old["Notebook"].create(name="Of the past", revision=1)
    written = old["Note"].create(notebook=home, revision=1, position=1, created_at=now, **content)
    old["Revision"].create(notebook=home, note=written, number=1, action="create", writer="key", **content)
    old["Receipt"].create(notebook=home, writer="key", key="one", request_digest="0" * 64, outcomes=[["create", 1]])
    old["Tag"].create(notebook=home, key="work", name="work", notes=1)
    for rows in old.values():
        assert rows.filter(pk__gt=0).last() is not None

    notebook = Notebook.objects.get(pk=home.pk)
    index.add(notebook.notes.all())
    with Door(notebook, by) as door:
        door.edit(notebook.notes.get(), body="line\nof today")
    assert old["Note"].get(pk=written.pk).body == "line\nof today"
    # What that code did not know it did not count.
    assert [line for line in verification.problems(notebook) if "--counts" not in line] == []


def test_there_is_a_past():
    assert SOURCES


@pytest.mark.parametrize("what", ["notes", "trash", "tags", "changes", "revisions", "searches"])
def test_everything_is_found_again(description, present, what):
    before = [notebook[what] for notebook in description["notebooks"]]

    assert any(before)
    assert_holds([notebook[what] for notebook in present], before)


def test_the_history_is_the_same_one_but_in_a_backup(description, present, past):
    for now, before in zip(present, description["notebooks"]):
        assert (now["epoch"] == before["epoch"]) is (past.name != "backup.sqlite3.gz")


def test_the_notebooks_agree_with_their_logs(past):
    output = StringIO()

    call_command("verify_notebook", stdout=output)

    assert output.getvalue().count("all in agreement") == 2


def test_the_notebooks_come_back_from_a_file(past):
    with transaction.atomic():
        for notebook in list(Notebook.objects.all()):
            lines = list(transfer.lines(notebook))
            copy = Notebook.objects.create(name=f"copy of {notebook}")
            transfer.load(copy, BytesIO(b"".join(lines)))
            assert list(transfer.lines(copy))[1:-1] == lines[1:-1]
            assert verification.summary(copy) == verification.summary(notebook)
        transaction.set_rollback(True)


def test_keys_open_what_they_opened(description):
    for key in description["keys"]:
        status, me = Client(key["text"]).ask("GET", "/api/v1/me")

        assert status == key["status"]
        if status == 200:
            assert (me["level"], me["notebook"]) == (key["level"], key["notebook"])


def test_digests_of_keys_are_kept(description):
    with connection.cursor() as cursor:
        cursor.execute("SELECT digest FROM notes_apikey")
        stored = {digest for (digest,) in cursor.fetchall()}

    assert stored == {key["digest"] for key in description["keys"] if key["name"] != "operator"}


def test_a_write_sent_again_is_answered_as_it_was_and_writes_nothing(description, present):
    operator = Client(description["keys"][0]["text"])

    for receipt in description["receipts"]:
        status, answer = operator.ask(receipt["method"], receipt["path"], receipt["fields"], receipt["key"])

        assert status == receipt["status"], answer
        assert_holds(answer, receipt["answer"])
    assert described(present[0]["key"]) == present[0]


@pytest.mark.skipif("not IS_SQLITE", reason="PostgreSQL's own files are not in its archive")
def test_what_was_purged_is_not_in_the_file(description):
    path = databases.file_of(connection.settings_dict)

    # Another process reads them: closing a file in this process would take the locks from its connections.
    files = subprocess.run(["cat", *path.parent.glob(f"{path.name}*")], capture_output=True, check=True).stdout
    assert files.startswith(b"SQLite")
    assert description["purged_text"].encode() not in files


def test_notes_are_written_on(description, present):
    operator = Client(description["keys"][0]["text"])

    # Undone at the end: the other tests find what was there before.
    with transaction.atomic():
        status, note = operator.ask("POST", "/api/v1/notes", {"title": "After the upgrade"})
        transaction.set_rollback(True)

    assert (status, note["revision"]) == (201, present[0]["changes"]["revision"] + 1)
