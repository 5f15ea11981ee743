"""A lost SQLite file stops every start of a server with one sentence; no client is answered by an empty service."""

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from notes import database_file
from notesproject.environment import database
from tests.server import PROJECT, environment_of_a_newcomer, free_port, fresh_copy, make
from tests.test_serve import made

DAMAGED = b"SQLite format 3\0" + bytes(4080)
SECONDS = 60


@pytest.fixture
def path(tmp_path):
    return tmp_path / "notes.sqlite3"


def problem_of(path):
    return database_file.problem_of(database(f"sqlite:///{path}"))


def make_without_tables(path):
    """Make the file that opening a new database leaves: one without tables, because nobody has written to it."""
    with closing(sqlite3.connect(path)) as opened:
        opened.execute("PRAGMA journal_mode = WAL")


def service_on(path):
    """Return the environment of a service with this database."""
    return {
        "NOTES_ENV_FILE": os.devnull,
        "DATABASE_URL": f"sqlite:///{path}",
        "SECRET_KEY": "a secret key of good length",
        "API_KEY": "an api key of good length",
    }


def run(command, folder=PROJECT, **environment):
    """Run a command to its end; keywords are environment variables."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment_of_a_newcomer() | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=SECONDS)
    finally:
        # The server has started after all: end it with all its processes.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def assert_refused(result, path, says="is not there"):
    """Assert that the process failed with one sentence about this file, and made none."""
    # W001: it lies in a folder for temporary files.
    sentences = [line for line in result.stderr.splitlines() if str(path) in line and "W001" not in line]
    assert result.returncode not in {0, None}
    assert len(sentences) == 1, result.stderr
    assert says in sentences[0]
    assert "Traceback" not in result.stderr


# The file


def test_a_database_is_no_problem(path):
    make_without_tables(path)

    assert problem_of(path) is None


@pytest.mark.parametrize(("left", "says"), [(b"", "is an empty file"), (b"PK\3\4 a zip file", "is no SQLite database")])
def test_a_file_that_is_no_database_is_a_problem(path, left, says):
    path.write_bytes(left)

    assert says in problem_of(path)


def test_a_lost_file_and_a_lost_folder_are_problems(path):
    assert "manage.py migrate" in problem_of(path)
    assert "is its disk mounted?" in problem_of(path.parent / "mounted" / path.name)


def test_a_folder_in_its_place_is_a_problem(path):
    path.mkdir()

    assert "is a folder" in problem_of(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_a_problem(path):
    make_without_tables(path)
    path.chmod(0)

    assert "look at its owner and permissions" in problem_of(path)


def test_a_postgresql_server_is_no_problem():
    assert database_file.problem_of(database("postgres://user@host/name")) is None


# Starts


STARTS = {
    "migrate --existing": ["manage.py", "migrate", "--existing"],
    "runserver": ["manage.py", "runserver", "{port}"],
    "serve": ["manage.py", "serve", "--port", "{port}"],
    "another server": ["-m", "granian", "--interface", "wsgi", "--port", "{port}", "notesproject.wsgi:application"],
}


@pytest.mark.prove
@pytest.mark.once
@pytest.mark.parametrize("start", STARTS)
def test_no_start_makes_up_for_a_lost_file(path, start):
    command = [sys.executable, *(word.format(port=free_port()) for word in STARTS[start])]

    result = run(command, **service_on(path))

    # Granian starts its worker a second time before it gives up.
    result.stderr = "\n".join(dict.fromkeys(result.stderr.splitlines()))
    assert_refused(result, path)
    assert not path.exists()


@pytest.mark.prove
@pytest.mark.once
def test_the_first_make_run_makes_a_database_and_no_later_one_does(tmp_path):
    folder = tmp_path / "a first clone"
    fresh_copy(folder)
    path = folder / "notes.sqlite3"

    with made("run", folder) as service:
        shown = (folder / "stdout").read_text().partition("Performing system checks")[0].splitlines()
        assert [line for line in shown if re.fullmatch(r" +admin +\S{16}", line)]
        # With what runserver says it is one screen.
        assert len(shown) <= 14
        assert max(map(len, shown)) <= 80
        assert service.ask("/api/v1/notes", {"title": "Kept"}).status == 201
    path.rename(folder / "elsewhere")
    runs = [run(make(target, f"PORT={free_port()}"), folder) for target in ("run", "serve")]

    for result in runs:
        assert_refused(result, path)
    assert not path.exists()
    # A command typed by hand makes the file: whoever types it knows what it does.
    by_hand = run([sys.executable, "manage.py", "migrate", "--verbosity=0"], folder)
    assert by_hand.returncode == 0
    assert path.exists()


@pytest.mark.prove
@pytest.mark.once
@pytest.mark.parametrize("database_url", [None, "sqlite:///data/notes.sqlite3"])
def test_a_database_that_was_never_there_is_made_by_hand(tmp_path, database_url):
    folder = tmp_path / "project"
    fresh_copy(folder)
    environment = {"DATABASE_URL": database_url} if database_url else {}
    if not database_url:
        # Copied by hand, as README says. Then make does not write .env.
        (folder / ".env").write_text((folder / ".env.example").read_text())
    path = folder / (database_url or "sqlite:///notes.sqlite3").removeprefix("sqlite:///")

    result = run(make("run", f"PORT={free_port()}"), folder, **environment)

    assert_refused(result, path, says="is its disk mounted?" if database_url else "manage.py migrate")
    assert not path.exists()


@pytest.mark.prove
@pytest.mark.once
def test_a_port_that_is_taken_is_one_sentence_with_a_way_out(tmp_path):
    folder = tmp_path / "project"
    fresh_copy(folder)

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = run(make("run", f"PORT={port}"), folder)

    assert result.returncode != 0
    sentence = f"Port {port} of 127.0.0.1 is taken by another program. Choose another one, such as: make run PORT=9000"
    assert result.stderr.splitlines().count(sentence) == 1
    assert "Traceback" not in result.stderr


@pytest.mark.prove
@pytest.mark.once
@pytest.mark.parametrize("says", ["has no tables", "overwritten"])
def test_a_database_without_tables_or_damaged_is_not_given_new_ones(path, says):
    if says == "has no tables":
        make_without_tables(path)
    else:
        path.write_bytes(DAMAGED)

    result = run([sys.executable, "manage.py", "migrate", "--existing"], **service_on(path))

    assert_refused(result, path, says)


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_there_is_migrated():
    if connection.vendor == "sqlite":
        # The tests name the file by its path, the service by a URL.
        assert database_file.problem_of(connection.settings_dict) is None

    try:
        call_command("migrate", existing=True, verbosity=0)
    except CommandError as error:
        pytest.fail(str(error))


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite's file")
def test_looking_at_the_file_leaves_open_connections_their_locks(notebook):
    connection.ensure_connection()
    name = connection.settings_dict["NAME"]

    assert database_file.problem_of(connection.settings_dict) is None

    # The last connection to close a database deletes its log. This process still has one open.
    visit = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM notes_note').fetchone()"
    subprocess.run([sys.executable, "-c", visit, name], check=True)
    assert Path(f"{name}-wal").exists()
