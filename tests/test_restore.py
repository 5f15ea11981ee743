"""A backup is verified in a database that is built from it. A restore puts that in place, or changes nothing."""

import gzip
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import uuid
from contextlib import closing
from datetime import UTC, datetime
from io import StringIO
from itertools import pairwise
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from notes import backups, verification
from notes.backups import postgresql, sqlite
from notes.models import Backup, Note, Notebook
from tests.postgres import bin_directory
from tests.server import PROJECT, database_url, process_environment, serving
from tests.writing import create_note, edit, purge, trash

FIXTURES = Path(__file__).parent / "fixtures"

pytestmark = pytest.mark.django_db(transaction=True)
on_sqlite = pytest.mark.skipif("connection.vendor != 'sqlite'", reason="SQLite's own")
on_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="PostgreSQL's own")


@pytest.fixture(autouse=True)
def client_programs_on_the_path(monkeypatch):
    if connection.vendor == "postgresql" and shutil.which("pg_restore") is None:
        monkeypatch.setenv("PATH", f"{bin_directory()}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def file(note, tmp_path):
    """A backup with one note."""
    path = tmp_path / "backup"
    run("backup", path)
    return path


@pytest.fixture
def place(file):
    """Django's connection leads to a database of the test's own, which was built from the backup."""
    with backups.built_from(file) as name, backups.connected_to(name):
        yield name
        connection.close()
        if connection.vendor == "postgresql":
            for database in kept_aside():
                postgresql.in_server(f"DROP DATABASE {database}")


def kept_aside():
    """Return what lies beside the database: what restores have replaced, and what they may have left."""
    if connection.vendor == "sqlite":
        path = sqlite.place()
        return sorted({one.name for one in path.parent.iterdir()} - {path.name, f"{path.name}-head"})
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{postgresql.place()}_%"])
        return [name for (name,) in cursor.fetchall()]


def nothing_is_left():
    """Tell whether all databases are gone that were built from backups."""
    if connection.vendor == "sqlite":
        return not list(sqlite.place().parent.glob(f".{sqlite.place().name}.*"))
    return postgresql.in_server("SELECT 1 FROM pg_database WHERE datname LIKE 'notes_scratch_%%'") is None


def run(command, *arguments, **options):
    output = StringIO()
    call_command(command, *map(str, arguments), stdout=output, **options)
    return output.getvalue()


def titles():
    return list(Note.objects.order_by("pk").values_list("title", flat=True))


def test_a_backup_is_verified_in_a_database_of_its_own(note, by, file):
    edit(note, by, title="Later")

    output = run("verify_backup", file)

    assert "default: 1 writes, all in agreement\ndefault: 1 notes, 0 in the trash, content " in output
    assert output.endswith(f"{file}: whole\n")
    assert titles() == ["Later"]
    assert Backup.objects.get().verified_at
    assert nothing_is_left()


def test_a_restore_replaces_the_database_and_keeps_it_aside(place, file, by):
    edit(Note.objects.get(), by, title="Later")
    epoch = Notebook.objects.get().epoch

    with pytest.raises(CommandError, match="--replace it is kept aside"):
        run("restore", file)
    assert titles() == ["Later"]
    connection.close()
    output = run("restore", file, replace=True)

    assert titles() == ["Plan"]
    assert Notebook.objects.get().epoch != epoch
    assert edit(Note.objects.get(), by, title="The service writes on")
    connection.close()
    kept = next(name for name in kept_aside() if "replaced" in name)
    assert kept in output
    old = f"{(sqlite.place().parent / kept).as_uri()}?mode=rw" if connection.vendor == "sqlite" else kept
    with backups.connected_to(old):
        assert titles() == ["Later"]


@pytest.mark.prove
def test_a_restore_where_the_database_is_gone(place, file):
    was_public = Notebook.objects.get().public
    leave_a_log_of_writes()
    if connection.vendor == "sqlite":
        # The log of the lost one is still there, and SQLite would apply it to another one.
        sqlite.place().unlink()
    else:
        postgresql.in_server(f"DROP DATABASE {postgresql.place()}")

    output = run("restore", file)

    assert titles() == ["Plan"]
    assert Notebook.objects.get().public == was_public
    assert "that was there" not in output
    if connection.vendor == "sqlite":
        assert (sqlite.place().stat().st_mode & 0o777) == 0o600


def test_no_restore_replaces_a_database_that_somebody_has_open(file):
    somebody = connection.copy()
    somebody.ensure_connection()
    with closing(somebody), pytest.raises(CommandError, match="stop the service first"):
        run("restore", file, replace=True)

    assert titles() == ["Plan"]


@pytest.mark.prove
def test_no_restore_replaces_a_database_that_is_opened_at_the_last_moment(place, file):
    somebody = connection.copy()
    connection.close()

    with backups.built_from(file) as name, closing(somebody):
        somebody.ensure_connection()
        with pytest.raises((CommandError, OperationalError), match=r"stop the service first|accessed by other users"):
            backups.put_in_place(name)
    assert kept_aside() == []


@pytest.mark.prove
@on_sqlite
def test_a_server_that_waits_for_its_first_request_has_the_database_open(note, file):
    connection.close()
    with serving("--processes", "1"), pytest.raises(CommandError, match="stop the service first"):
        run("restore", file, replace=True)


def test_equal_notes_are_named_alike_on_both_databases(notebook, by):
    at = datetime(2026, 1, 31, 12, 0, 0, 500, tzinfo=UTC)
    for number in range(3):
        draft = {"title": f"Plan {number}", "body": "Café\n", "tags": ["b", "A"], "metadata": {"z": 1.0, "a": 1e22}}
        one = create_note(notebook, by, **draft)
        if number:
            trash(one, by)
        if number == 2:
            purge(one, by)
            Note.objects.filter(pk=one.pk).update(purged_at=at)
        Note.objects.filter(pk=one.pk).update(uuid=uuid.UUID(int=number), created_at=at, updated_at=at)
        Note.objects.filter(pk=one.pk, deleted_at__isnull=False).update(deleted_at=at)

    sha256 = "11ee2113fddbf8e0129bc4ca26cc033df5135e6ed8e94bed44366baba22e0b8e"
    assert verification.summary(notebook) == f"1 notes, 1 in the trash, content {sha256}"
    Note.objects.filter(title="Plan 0").update(body="Cafe\n")
    assert sha256 not in verification.summary(notebook)


# What is wrong is told, and nothing is changed.


@pytest.mark.once
def test_a_file_that_is_not_as_it_was_written_is_refused(place, file):
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)

    for command in ("verify_backup", "restore"):
        with pytest.raises(CommandError, match="is not as it was written"):
            run(command, file)


@on_sqlite
def test_damage_is_found_without_a_checksum(place, file):
    sqlite.beside(file, ".sha256").unlink()
    content = bytearray(file.read_bytes())
    # A page in the middle.
    content[40960:45056] = bytes(4096)
    file.write_bytes(content)
    connection.close()

    with pytest.raises(CommandError, match="The backup is not verified: "):
        run("verify_backup", file, stderr=StringIO())
    with pytest.raises(CommandError, match="The database is as it was: "):
        run("restore", file, replace=True)
    assert titles() == ["Plan"]


def test_a_file_that_is_no_backup_is_one_sentence(note, tmp_path):
    (tmp_path / "text").write_text("My notes")

    for path in (tmp_path / "missing", tmp_path / "text"):
        with pytest.raises(CommandError, match=r"no file|not a database|valid archive"):
            run("verify_backup", path, stderr=StringIO())
    assert nothing_is_left()


@on_sqlite
def test_a_database_of_something_else_is_no_backup(place, tmp_path):
    with closing(sqlite3.connect(tmp_path / "other")) as other:
        other.execute("CREATE TABLE note (title)")
    connection.close()

    with pytest.raises(CommandError, match="no backup of a database of notes"):
        run("restore", tmp_path / "other", replace=True)


@pytest.mark.once
def test_a_backup_of_a_newer_version_is_refused(place, file, tmp_path):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('notes', '9999_later', '2027-01-01')"
        )
    run("backup", tmp_path / "newer")
    connection.close()

    with pytest.raises(CommandError, match="A newer version"):
        run("restore", tmp_path / "newer", replace=True)


@pytest.mark.once
def test_a_backup_whose_notebook_disagrees_with_its_log_is_not_verified(note, tmp_path):
    Note.objects.update(body="Written past the door")
    run("backup", tmp_path / "backup")
    output = StringIO()

    with pytest.raises(SystemExit) as end:
        call_command("verify_backup", stdout=output)

    assert end.value.code == 1
    assert "has another body than its revision" in output.getvalue()
    assert Backup.objects.get().verified_at is None


@pytest.mark.once
def test_a_backup_that_this_database_does_not_know_is_verified_all_the_same(file):
    Backup.objects.all().delete()
    complaint = StringIO()

    assert run("verify_backup", file, stderr=complaint).endswith("whole\n")
    assert "it took no note" in complaint.getvalue()
    with pytest.raises(CommandError, match="knows of no backup"):
        run("verify_backup")


@pytest.mark.once
@pytest.mark.prove
def test_a_backup_of_an_older_version_is_verified_and_restored(place, tmp_path):
    path = tmp_path / "older"
    path.write_bytes(gzip.decompress(next(FIXTURES.glob("*/backup.sqlite3.gz")).read_bytes()))
    complaint = StringIO()

    output = run("verify_backup", path, stderr=complaint)
    connection.close()
    restored = run("restore", path, replace=True)

    assert "There is no checksum" in complaint.getvalue()
    assert output.count("all in agreement") == 2
    assert "until you run manage.py rebuild_search" in restored
    assert Notebook.objects.count() == 2


@on_sqlite
@pytest.mark.parametrize("left", [b"", b"SQLite format 3\0" + bytes(4080)])
def test_a_damaged_database_is_replaced_with_what_lies_beside_it(place, file, left):
    connection.close()
    sqlite.place().write_bytes(left)
    sqlite.beside(sqlite.place(), "-wal").write_bytes(b"stale")

    run("restore", file, replace=True)

    assert titles() == ["Plan"]
    connection.close()
    aside = [name for name in kept_aside() if name.startswith("test.replaced")]
    assert (sqlite.place().parent / aside[0]).read_bytes()[:16] == left[:16]


@pytest.mark.once
@pytest.mark.parametrize("fault", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_a_restore_that_is_interrupted_leaves_the_database_as_it_was(place, file, by, monkeypatch, fault):
    edit(Note.objects.get(), by, title="Later")
    connection.close()

    class Bar(sqlite.tqdm):
        def update(self, *pages):
            raise fault

    monkeypatch.setattr(sqlite, "tqdm", Bar)

    with pytest.raises(CommandError, match="he database is as it was"):
        run("restore", file, replace=True)

    assert kept_aside() == []
    assert titles() == ["Later"]


@on_postgresql
def test_without_pg_restore_the_error_says_so_and_nothing_is_left(note, tmp_path, monkeypatch):
    (tmp_path / "archive").write_bytes(b"PGDMP")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(CommandError, match="pg_restore is not on the PATH"):
        run("verify_backup", tmp_path / "archive", stderr=StringIO())

    assert nothing_is_left()


# A kill

KILLED_AT = """
import os, signal, sys
from django.core.management import execute_from_command_line

left = int(sys.argv.pop(1))


def count(frame, event, argument):
    global left
    is_step = "notes/backups/" in frame.f_code.co_filename and frame.f_code.co_name in STEPS
    # Before each call of Python's own functions, and after the last one.
    if is_step and event in {"c_call", "return"}:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


STEPS = {"put_in_place", "alone_with", "sync", "in_server", "is_there"}
sys.setprofile(count)
execute_from_command_line(sys.argv)
"""

WRITES_AND_DIES = """
import os, sqlite3, sys

opened = sqlite3.connect(sys.argv[1], isolation_level=None)
opened.execute("PRAGMA journal_mode = WAL")
opened.execute("UPDATE notes_notebook SET public = NOT public")
os._exit(0)
"""


@pytest.mark.prove
def test_a_restore_that_is_killed_leaves_the_old_or_the_new_database_whole(place, file, tmp_path, by):
    edit(Note.objects.get(), by, title="Later")
    run("backup", tmp_path / "later")
    backup_of = {"Plan": file, "Later": tmp_path / "later"}
    environment = process_environment() | {"DATABASE_URL": url_of_place()}
    there, left, step, code = "Later", [], 0, None

    while code != 0:
        step += 1
        other = "Plan" if there == "Later" else "Later"
        leave_a_log_of_writes()
        restore = [sys.executable, "-c", KILLED_AT, str(step), "restore", str(backup_of[other]), "--replace"]
        code = subprocess.run(restore, cwd=PROJECT, env=environment, capture_output=True).returncode

        assert code in {0, -signal.SIGKILL}
        assert titles() in (["Plan"], ["Later"])
        assert list(verification.problems(Notebook.objects.get())) == []
        left += titles()
        (there,) = titles()
    changes = sum(one != other for one, other in pairwise(["Later", *left]))
    print(f"Killed at {step - 1} moments, after {changes - 1} of which the new database was there.")
    assert left[-1] != left[-2]
    assert set(left) == {"Plan", "Later"}
    assert step > 10


def leave_a_log_of_writes():
    """Let a process die with the database open, so that SQLite's -wal holds a write. Close our own connection."""
    connection.close()
    if connection.vendor == "sqlite":
        subprocess.run([sys.executable, "-c", WRITES_AND_DIES, str(sqlite.place())], check=True)
        assert sqlite.beside(sqlite.place(), "-wal").stat().st_size


def url_of_place():
    return f"sqlite:///{sqlite.place()}" if connection.vendor == "sqlite" else database_url()
