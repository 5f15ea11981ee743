"""A notebook goes into a file and back without a loss, and what is not such a file is refused before it is written."""

import hashlib
import io
import itertools
import json
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notes import transfer
from notes.door import Door, erase
from notes.models import Notebook, Revision, Writer
from notes.verification import problems, summary
from tests.postgres import postgres
from tests.server import PROJECT, process_environment
from tests.writing import create_note, create_notes, edit, purge, restore, revert, trash

LAST_YEAR = datetime(2025, 12, 31, 23, 59, 59, 123456, tzinfo=UTC)


@pytest.fixture
def empty(notebook):
    return Notebook.objects.create(name="copy")


@pytest.fixture
def eventful(notebook, by):
    """A notebook in which all happened that may happen."""
    plan = create_note(
        notebook, by, title="Plan 🎉", body="One\r\n", tags=["work", "Ä"], metadata={"z": 1e22, "a": True}
    )
    edit(plan, Writer("key:1", "phone", "request-7"), body="Two\u2028\x7f", metadata={"a": ["x"], "z": 0.1})
    old = create_note(notebook, by, title="Old", created_at=LAST_YEAR, updated_at=LAST_YEAR)
    trashed = create_note(notebook, by, title="Trashed", body="secret", tags=["work"])
    trash(trashed, by)
    restored = create_note(notebook, by, title="Restored", body="x" * 100_000)
    trash(restored, by)
    restore(restored, by)
    purged = create_note(notebook, by, title="Purged", body="swordfish")
    trash(purged, by)
    purge(purged, by)
    edit(old, by, title="Older")
    revert(old, by, old.revisions.earliest("number"))
    with Door(notebook, by) as door:
        door.replace_tag(list(notebook.notes.live().order_by("revision")), "work", "job")
    # Pruned, now and before there was metadata.
    erase(old.revisions.filter(action=Revision.CREATE))
    plan.revisions.filter(action=Revision.CREATE).update(title=None, body=None, tags=None, metadata={})
    return notebook


def exported(notebook):
    return list(transfer.lines(notebook))


def load(notebook, lines, **options):
    transfer.load(notebook, io.BytesIO(b"".join(lines)), **options)


def rows_of(lines):
    return lines[1:-1]


# What is exported comes back


def test_what_is_exported_comes_back(eventful, empty, tmp_path, capfd):
    file = tmp_path / "notes.ndjson"
    lines = exported(eventful)
    file.write_bytes(b"".join(lines))

    call_command("import_notebook", file, notebook="copy")

    again = exported(Notebook.objects.get(name="copy"))
    first, first_again = json.loads(lines[0]), json.loads(again[0])
    assert rows_of(again) == rows_of(lines)
    assert len(lines) == first["count"] + 2 == eventful.revision + 2
    assert first_again["epoch"] != first["epoch"] == str(eventful.epoch)
    assert first_again == first | {"notebook": "copy", "epoch": first_again["epoch"]}
    assert f"copy: {first['count']} writes, all in agreement" in capfd.readouterr().out
    assert list(problems(Notebook.objects.get(name="copy"))) == []


def test_a_line_says_what_the_log_knows_and_what_was_erased_is_null(eventful):
    rows = [json.loads(line) for line in rows_of(exported(eventful))]

    edited, purged = rows[1], [row for row in rows if row["purged_at"]]
    assert edited["number"] == 2
    assert (edited["action"], edited["changed"]) == ("edit", ["body", "metadata"])
    assert (edited["title"], edited["body"], edited["tags"]) == ("Plan 🎉", "Two\u2028\x7f", ["work", "Ä"])
    assert list(edited["metadata"].items()) == [("a", ["x"]), ("z", 0.1)]
    assert (edited["writer"], edited["writer_name"], edited["request_id"]) == ("key:1", "phone", "request-7")
    assert rows[2]["created_at"] == rows[2]["updated_at"] == "2025-12-31T23:59:59.123456Z"
    assert [row["action"] for row in purged] == ["create", "trash", "purge"]
    assert {row[name] for row in purged for name in ("title", "body", "tags", "metadata")} == {None}


def test_the_epoch_stays_if_the_original_is_retired(eventful, empty):
    load(empty, exported(eventful), same_epoch=True)

    empty.refresh_from_db()
    assert (empty.epoch, empty.revision) == (eventful.epoch, eventful.revision)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_history_comes_back(notebook, by, data):
    text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
    notebook = Notebook.objects.create(name=f"notebook {Notebook.objects.count()}")
    notes = []
    for _ in range(data.draw(st.integers(0, 12))):
        verb = data.draw(st.sampled_from([edit, trash, restore, purge, create_note]))
        columns = {"body": data.draw(text), "metadata": {"name": data.draw(text | st.floats(-1e9, 1e9))}}
        known = [note for note in notes if not note.purged_at]
        if verb is create_note or not known:
            notes.append(create_note(notebook, by, title="Title", **columns))
        elif verb is edit:
            edit(data.draw(st.sampled_from(known)), by, **columns)
        else:
            verb(data.draw(st.sampled_from(known)), by)
    lines = exported(notebook)
    copy = Notebook.objects.create(name=f"copy of {notebook}")

    load(copy, lines)

    assert rows_of(exported(copy)) == rows_of(lines)
    assert summary(copy) == summary(notebook)
    # The door edits notes in the trash too. That is told of both.
    assert list(problems(copy)) == list(problems(notebook))


def test_an_empty_notebook_is_a_file_too(notebook, empty):
    load(empty, exported(notebook))

    assert empty.notes.count() == 0


def test_a_note_that_many_chunks_write_to_comes_back(eventful, empty, monkeypatch):
    monkeypatch.setattr("notes.importing.CHUNK_FILES", 2)

    load(empty, exported(eventful))

    assert rows_of(exported(empty)) == rows_of(exported(eventful))
    assert summary(empty) == summary(eventful)
    assert list(problems(empty)) == []


def test_an_export_is_of_one_moment(transactional_db, notebook, note, by):
    lines = transfer.lines(notebook)
    read = [next(lines)]

    def write_elsewhere():
        edit(note, by, body="later")
        connection.close()

    thread = threading.Thread(target=write_elsewhere)
    thread.start()
    thread.join()

    read += lines
    assert len(read) == 3
    assert json.loads(read[1])["body"] == "One\nTwo\n"
    assert notebook.revisions.count() == 2


# What is refused


HEADER = {"format": "notes-log", "version": 1, "notebook": "x", "epoch": str(UUID(int=7)), "revision": 4, "count": 4}
ROW = {
    **{"number": 1, "id": str(UUID(int=8)), "action": "create", "changed": ["title"]},
    **{"title": "Plan", "body": "", "tags": ["work"], "metadata": {"done": True}},
    **dict.fromkeys(["created_at", "updated_at", "written_at"], "2026-11-25T01:47:02.067144Z"),
    **{"deleted_at": None, "purged_at": None, "writer": "operator", "writer_name": "operator", "request_id": ""},
}
SAID = [HEADER, *({**ROW, "number": number} for number in range(1, 5))]
LINES = [json.dumps(said).encode() + b"\n" for said in SAID]


def a_file(lines):
    """Return the file of these lines, with the digest that belongs to them."""
    text = b"".join(lines)
    return io.BytesIO(text + b'{"sha256":"%s"}\n' % hashlib.sha256(text).hexdigest().encode())


def saying(number, **said):
    """Return the lines, of which one says something else."""
    return [
        json.dumps(SAID[place] | said).encode() + b"\n" if place == number else line for place, line in enumerate(LINES)
    ]


NO_LOGS = {
    "another format": saying(0, format="tar"),
    "another version": saying(0, version=2),
    "an epoch that is none": saying(0, epoch="today"),
    "a header that says more": saying(0, colour="red"),
    "fewer rows than numbers": saying(0, count=3),
    "fewer rows than it says": saying(0, revision=99, count=99),
    "a last number beyond its rows": saying(0, revision=9),
    "a count that is no number": saying(0, revision="4", count="4"),
    "a hole in the numbers": [*LINES[:2], *LINES[3:]],
    "a row twice": [*LINES[:3], *LINES[2:]],
    "rows in another order": [*LINES[:2], LINES[3], LINES[2], LINES[4]],
    "a title that is no text": saying(2, title=5),
    "a tag that is no text": saying(2, tags=[5]),
    "a writer that is missing": saying(2, writer=None),
    "an action that nobody knows": saying(2, action="explode"),
    "an id that is none": saying(2, id="x"),
    "a date that is none": saying(2, written_at="yesterday"),
    "a field that nobody knows": saying(2, colour="red"),
    "no lines": [b"PK\x03\x04"],
    "no objects": [b"[]\n"],
    "no JSON": [LINES[0], b"{\n", *LINES[2:]],
    "more behind the rows": [*LINES, b"{}\n"],
}


@pytest.mark.once
@pytest.mark.parametrize("lines", NO_LOGS.values(), ids=NO_LOGS)
def test_what_is_no_whole_log_is_refused(lines):
    with pytest.raises(transfer.Refused):
        list(transfer.read(a_file(lines)))


@pytest.mark.once
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda text: text[:-1], id="without the last byte"),
        pytest.param(lambda text: text[: text.rindex(b'{"sha256"')], id="without the last line"),
        pytest.param(lambda text: text.replace(b"Plan", b"Plot"), id="with another word"),
        pytest.param(lambda text: text + b"\n", id="with a line more"),
        pytest.param(lambda text: b"", id="empty"),
    ],
)
def test_a_file_that_is_not_as_it_was_written_is_refused(damage):
    whole = a_file(LINES)
    assert len(list(transfer.read(whole))) == 5

    with pytest.raises(transfer.Refused):
        list(transfer.read(io.BytesIO(damage(whole.getvalue()))))


def test_it_is_refused_before_anything_is_written(empty, django_assert_num_queries):
    with pytest.raises(transfer.Refused), django_assert_num_queries(0):
        load(empty, [*LINES, b'{"sha256": "0"}\n'])


def test_a_notebook_that_holds_something_is_refused(eventful, tmp_path):
    file = tmp_path / "notes.ndjson"
    file.write_bytes(b"".join(exported(eventful)))

    with pytest.raises(CommandError, match="not empty"):
        call_command("import_notebook", file, notebook="default")
    with pytest.raises(CommandError, match="no notebook"):
        call_command("import_notebook", file, notebook="nowhere")

    assert list(problems(eventful)) == []


def test_an_import_that_is_interrupted_leaves_the_notebook_empty(transactional_db, eventful, empty):
    lines, times = exported(eventful), []

    def interrupted(rows, total):
        times.append(total)
        for number, row in enumerate(rows):
            if len(times) == 2 and number == 5:
                raise KeyboardInterrupt
            yield row

    with pytest.raises(KeyboardInterrupt):
        load(empty, lines, watched=interrupted)

    empty.refresh_from_db()
    assert (empty.revision, empty.notes.count(), empty.revisions.count()) == (0, 0, 0)
    load(empty, lines)
    assert rows_of(exported(empty)) == rows_of(lines)


# From one database to the other


@pytest.fixture
def manage():
    """Return a function that runs a command of manage.py on another database, and returns what it wrote."""

    def run(url, *command):
        environment = process_environment() | {"DATABASE_URL": url}
        command = [sys.executable, "manage.py", *command]
        return subprocess.run(command, cwd=PROJECT, env=environment, check=True, stdout=subprocess.PIPE).stdout

    return run


@pytest.mark.prove
@pytest.mark.once
def test_from_sqlite_to_postgresql_and_back_is_the_same_to_the_byte(eventful, by, manage, tmp_path):
    create_notes(eventful, by, [{"title": f"Note {number}", "body": "x" * number} for number in range(5_000)])
    call_command("prune_revisions", days=0, keep=1)
    file = tmp_path / "notes.ndjson"
    file.write_bytes(b"".join(exported(eventful)))
    rows = rows_of(file.read_bytes().splitlines(keepends=True))

    with postgres() as (url, _):
        for there in (url, f"sqlite:///{tmp_path}/notes.sqlite3"):
            manage(there, "migrate", "--verbosity", "0")
            told = manage(there, "import_notebook", file, "--notebook", "default")
            file.write_bytes(manage(there, "export_notebook", "default"))
            assert rows_of(file.read_bytes().splitlines(keepends=True)) == rows
            assert summary(eventful).encode() in told


@pytest.mark.prove
def test_a_killed_import_leaves_the_notebook_empty_or_whole(transactional_db, notebook, empty, by, tmp_path):
    create_notes(notebook, by, [{"title": f"Note {number}"} for number in range(3_000)])
    file = tmp_path / "notes.ndjson"
    file.write_bytes(b"".join(exported(notebook)))
    command = [sys.executable, "manage.py", "import_notebook", file, "--notebook", "copy"]
    found = set()

    for thirds in itertools.count():
        process = subprocess.Popen(command, cwd=PROJECT, env=process_environment(), stdout=subprocess.DEVNULL)
        time.sleep(thirds / 3)
        process.kill()
        process.wait()
        empty.refresh_from_db()
        found.add((empty.revision, empty.notes.count(), empty.revisions.count()))
        if empty.revision:
            break

    assert found == {(0, 0, 0), (3_000, 3_000, 3_000)}
    assert list(problems(empty)) == []
