"""A backup is taken while others write, is whole, and was opened once."""

import json
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import uuid
from contextlib import closing
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.utils import timezone

from notes import backups, databases
from notes.backups import sqlite
from notes.management.commands import backup
from notes.models import Backup, Note, Notebook, Revision
from tests.writing import create_note, edit

pytestmark = pytest.mark.django_db(transaction=True)
on_sqlite = pytest.mark.skipif("connection.vendor != 'sqlite'", reason="SQLite's own")
on_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="PostgreSQL's own")


def run_backup(path, **options):
    output = StringIO()
    call_command("backup", str(path), stdout=output, **options)
    return output.getvalue()


def rows(path, query):
    # Open it read-only, and as a file without any others beside it.
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as copy:
        return copy.execute(query).fetchall()


@pytest.fixture(autouse=True)
def client_programs_on_the_path(monkeypatch):
    if connection.vendor == "postgresql" and shutil.which("pg_dump") is None:
        postgres = pytest.importorskip("tests.postgres")
        monkeypatch.setenv("PATH", f"{postgres.bin_directory()}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def writers(notebook, by):
    """Start threads that create and edit until the test ends. Call the result to wait for that many more writes."""
    stop, written, errors = threading.Event(), threading.Semaphore(0), []

    def write():
        try:
            mine = Notebook.objects.get(pk=notebook.pk)
            while not stop.is_set():
                note = create_note(mine, by, title="Written meanwhile", body="x" * 2000)
                edit(note, by, body="y" * 2000)
                written.release()
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    def wait_for(number):
        for _ in range(number):
            assert written.acquire(timeout=20), errors

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    yield wait_for
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []


# Both


def test_the_checksum_beside_it_is_one_that_sha256sum_reads(note, tmp_path):
    path = tmp_path / "a backup"

    run_backup(path)

    subprocess.run(["sha256sum", "--check", "--strict", "a backup.sha256"], cwd=tmp_path, check=True)


@pytest.mark.once
def test_in_a_folder_it_is_named_by_the_time(note, tmp_path):
    message = run_backup(tmp_path)

    name, _ = sorted(os.listdir(tmp_path))
    assert re.fullmatch(r"notes-\d{8}T\d{6}Z\.(sqlite3|dump)", name)
    assert message.startswith(f"{tmp_path / name}: ")


@pytest.mark.once
def test_without_a_name_it_is_in_a_folder_of_its_own(note, tmp_path, monkeypatch):
    monkeypatch.setattr(backup, "default_folder", lambda: tmp_path / "backups")

    call_command("backup", stdout=StringIO())

    assert len(os.listdir(tmp_path / "backups")) == 2


@on_sqlite
def test_that_folder_is_where_the_service_may_write():
    assert backup.default_folder() == databases.file_of(connection.settings_dict).with_name("backups")


@pytest.mark.once
def test_keep_deletes_all_but_the_newest_that_were_written_to_the_folder(note, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    run_backup(tmp_path / "elsewhere" / "0")
    for name in "123":
        run_backup(tmp_path / name)
    for name in ("copied", "changed", "changed.sha256"):
        shutil.copy(tmp_path / "1", tmp_path / name)
    run_backup(tmp_path / "2", force=True)
    (tmp_path / "1").write_text("somebody else's")

    message = run_backup(tmp_path / "4", keep=2)

    assert message.splitlines()[1:] == [f"{tmp_path / '3'}: deleted"]
    assert sorted(os.listdir(tmp_path)) == sorted(
        ["1", "1.sha256", "2", "2.sha256", "4", "4.sha256", "changed", "changed.sha256", "copied", "elsewhere"]
    )
    assert sorted(os.listdir(tmp_path / "elsewhere")) == ["0", "0.sha256"]


@pytest.mark.once
def test_keep_deletes_nothing_when_there_is_no_new_backup(note, tmp_path, monkeypatch):
    run_backup(tmp_path / "1")

    def fail(path):
        raise OSError("No space left on device")

    monkeypatch.setattr(backups.engine(), "copy", fail)

    with pytest.raises(CommandError, match="No space left"):
        run_backup(tmp_path / "2", keep=1)

    assert sorted(os.listdir(tmp_path)) == ["1", "1.sha256"]


@pytest.mark.once
def test_the_last_backup_is_known_and_the_last_that_was_verified(note, tmp_path):
    assert backups.last_times() == (None, None)
    for name in "123":
        run_backup(tmp_path / name)
    one, two, three = Backup.objects.order_by("pk")

    assert backups.last_times() == (three.made_at, None)
    for verified in (two, one):
        Backup.objects.filter(pk=verified.pk).update(verified_at=timezone.now())
        assert backups.last_times() == (three.made_at, two.made_at)


@pytest.mark.once
def test_a_backup_that_the_database_cannot_note_is_whole(note, tmp_path, monkeypatch):
    def refuse(*args):
        raise OperationalError("attempt to write a readonly database")

    monkeypatch.setattr(backups, "take_note", refuse)
    path, complaint = tmp_path / "copy", StringIO()

    message = run_backup(path, stderr=complaint, keep=1)

    assert message.startswith(f"{path}: ")
    assert "took no note of it: attempt to write" in complaint.getvalue()


# SQLite


@on_sqlite
def test_a_copy_is_one_whole_file_for_its_owner_alone(note, tmp_path):
    path = tmp_path / "copy.sqlite3"

    message = run_backup(path)

    assert message == f"{path}: {path.stat().st_size} bytes\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert rows(path, "SELECT title, body FROM notes_note") == [("Plan", "One\nTwo\n")]
    # The format's read and write versions: 2 would be WAL, and two more files as soon as somebody opens it.
    assert path.read_bytes()[18:20] == b"\x01\x01"
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    assert sorted(os.listdir(tmp_path)) == ["copy.sqlite3", "copy.sqlite3.sha256"]


@on_sqlite
def test_a_copy_taken_while_others_write_has_a_log_that_agrees_with_its_notes(notebook, writers, tmp_path, monkeypatch):
    # One page at a time, so that there are writes between almost any two.
    monkeypatch.setattr(sqlite, "STEP_PAGES", 1)
    writers(30)
    path = tmp_path / "copy.sqlite3"

    run_backup(path)

    writers(3)
    last, written = rows(path, "SELECT revision, (SELECT count(*) FROM notes_revision) FROM notes_notebook")[0]
    assert last == written
    assert rows(path, "SELECT number FROM notes_revision ORDER BY number") == [(n,) for n in range(1, last + 1)]
    assert rows(path, "SELECT count(*) FROM notes_note")[0][0] >= 30
    disagreeing = """
        SELECT note.id FROM notes_note note
        LEFT JOIN notes_revision log ON log.note_id = note.id AND log.number = note.revision
        WHERE log.id IS NULL OR log.body != note.body OR log.title != note.title OR log.tags != note.tags
    """
    assert rows(path, disagreeing) == []
    assert Revision.objects.count() > written


@on_sqlite
def test_writes_between_two_steps_do_not_start_the_copy_again(note, by, tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite, "STEP_PAGES", 1)
    remaining, path = [], tmp_path / "copy.sqlite3"

    class Bar:
        """Stands in for the progress bar: another connection writes whenever it moves."""

        n = total = 0

        def __init__(self, **options):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def update(self, pages):
            self.n += pages
            remaining.append(self.total - self.n)
            write_from_elsewhere(by)

    monkeypatch.setattr(sqlite, "tqdm", Bar)

    run_backup(path)

    assert remaining == list(range(len(remaining) - 1, -1, -1))
    assert rows(path, "SELECT count(*) FROM notes_note") == [(1,)]
    assert Note.objects.count() == len(remaining) + 1


def write_from_elsewhere(by):
    def write():
        create_note(Notebook.objects.get(name="default"), by, title="Written meanwhile")
        connection.close()

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()


@on_sqlite
def test_the_service_writes_on_after_a_backup(note, by, tmp_path):
    run_backup(tmp_path / "copy.sqlite3")

    assert edit(note, by, title="After")


@on_sqlite
def test_a_copy_is_another_history_to_clients_that_follow_the_changes(note, notebook, tmp_path):
    run_backup(tmp_path / "copy.sqlite3")

    [(epoch,)] = rows(tmp_path / "copy.sqlite3", "SELECT epoch FROM notes_notebook")
    notebook.refresh_from_db()
    assert uuid.UUID(epoch) != notebook.epoch


@on_sqlite
def test_an_existing_file_is_replaced_by_force_only(note, tmp_path):
    path = tmp_path / "copy.sqlite3"
    path.write_text("older")

    with pytest.raises(CommandError, match="--force"):
        run_backup(path)

    assert path.read_text() == "older"
    run_backup(path, force=True)
    assert rows(path, "SELECT title FROM notes_note") == [("Plan",)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@on_sqlite
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_no_force_replaces_the_running_database(note, tmp_path, suffix):
    link = tmp_path / "link"
    link.symlink_to(f"{connection.settings_dict['NAME']}{suffix}")

    with pytest.raises(CommandError, match="is the running database itself"):
        run_backup(link, force=True)


@on_sqlite
def test_a_backup_needs_a_folder(note, tmp_path):
    with pytest.raises(CommandError, match="There is no folder"):
        run_backup(tmp_path / "missing" / "copy.sqlite3")


@on_sqlite
@pytest.mark.parametrize(
    ("fault", "message", "code"),
    [(KeyboardInterrupt(), "Interrupted", 130), (OSError(28, "No space left on device"), "No space left", 1)],
)
def test_a_backup_that_fails_leaves_nothing_behind(note, by, tmp_path, monkeypatch, fault, message, code):
    class Bar(sqlite.tqdm):
        def update(self, *pages):
            raise fault

    monkeypatch.setattr(sqlite, "tqdm", Bar)
    older = tmp_path / "copy.sqlite3"
    older.write_text("older")

    with pytest.raises(CommandError, match=message) as stop:
        run_backup(older, force=True)

    assert stop.value.returncode == code
    assert older.read_text() == "older"
    assert os.listdir(tmp_path) == ["copy.sqlite3"]
    assert edit(note, by, title="The database is free again")


@on_sqlite
def test_a_damaged_database_gives_no_backup(tmp_path):
    database = tmp_path / "damaged.sqlite3"
    with closing(sqlite3.connect(database)) as opened:
        opened.executescript("CREATE TABLE note (title); CREATE INDEX titles ON note (title)")
        opened.execute("INSERT INTO note VALUES ('Plan')")
        opened.commit()
        (root,) = opened.execute("SELECT rootpage FROM sqlite_master WHERE name = 'titles'").fetchone()
        (page_bytes,) = opened.execute("PRAGMA page_size").fetchone()
    # Change one letter in the index: every query seems to work, but the row is no longer found.
    with open(database, "r+b") as file:
        file.seek((root - 1) * page_bytes)
        page = file.read(page_bytes)
        file.seek((root - 1) * page_bytes)
        file.write(page.replace(b"Plan", b"Plen"))
    environment = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{database}",
        "DJANGO_SETTINGS_MODULE": "notesproject.settings",
    }

    result = subprocess.run(
        [sys.executable, "manage.py", "backup", str(tmp_path / "copy.sqlite3")],
        env=environment,
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
    )

    assert result.returncode == 1
    assert "There is no new backup: the copy is damaged" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "copy.sqlite3").exists()


# PostgreSQL


def contents(archive, table):
    """Return the table's rows as pg_restore writes them."""
    script = subprocess.run(
        ["pg_restore", "--data-only", f"--table={table}", "--file=-", archive],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    start = next(number for number, line in enumerate(script) if line.startswith(f"COPY public.{table} "))
    columns = script[start].split("(")[1].split(")")[0].replace('"', "").split(", ")
    return [dict(zip(columns, line.split("\t"))) for line in script[start + 1 : script.index(r"\.", start)]]


@on_postgresql
def test_an_archive_taken_while_others_write_has_a_log_that_agrees_with_its_notes(notebook, writers, tmp_path):
    writers(30)
    path = tmp_path / "notes.dump"

    message = run_backup(path)

    writers(3)
    assert message == f"{path}: {path.stat().st_size} bytes\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (stored,) = contents(path, "notes_notebook")
    log = {int(revision["number"]): revision for revision in contents(path, "notes_revision")}
    assert sorted(log) == list(range(1, int(stored["revision"]) + 1))
    notes = contents(path, "notes_note")
    assert len(notes) >= 30
    for note in notes:
        last = log[int(note["revision"])]
        assert (last["note_id"], last["body"]) == (note["id"], note["body"])
        assert json.loads(last["tags"]) == json.loads(note["tags"])


@on_postgresql
def test_without_pg_dump_the_error_says_so(note, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(CommandError, match="pg_dump is not on the PATH"):
        run_backup(tmp_path / "notes.dump")

    assert os.listdir(tmp_path) == []


@on_postgresql
def test_what_pg_dump_says_is_the_error_and_the_password_is_on_no_command_line(note, tmp_path, monkeypatch):
    program = tmp_path / "bin" / "pg_dump"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "arguments: $*; password: $PGPASSWORD; database: $PGDATABASE" >&2\nexit 3\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setitem(connection.settings_dict, "PASSWORD", "swordfish")

    with pytest.raises(CommandError) as failure:
        run_backup(tmp_path / "notes.dump")

    message = str(failure.value)
    assert f"password: swordfish; database: {connection.settings_dict['NAME']}" in message
    assert "swordfish" not in message.partition("; password")[0]
    assert os.listdir(tmp_path) == ["bin"]
