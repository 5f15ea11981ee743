"""Visible to every client: a reader that polls the feed while many write has seen everything at the end."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from notes import verification
from notes.door import Door
from tests.pages import results
from tests.server import serving
from tests.wire import Connection, Follower, following

NOTES = "/api/v1/notes"
WRITERS = 8

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.prove
def test_a_reader_that_polls_while_8_writers_write_misses_nothing(notebook, by):
    prove_that_nothing_is_missed(notebook, by, notes_per_writer=8)


@pytest.mark.prove
def test_a_reader_that_polls_while_8_writers_write_thousands_of_times_misses_nothing(notebook, by):
    prove_that_nothing_is_missed(notebook, by, notes_per_writer=150)


def prove_that_nothing_is_missed(notebook, by, *, notes_per_writer):
    # Make pages of notes before the writers begin, so that they change notes that are being read.
    with Door(notebook, by) as door:
        old = [str(door.create(title="Old").uuid) for _ in range(WRITERS * notes_per_writer)]
    # Pages of two notes, and pages that hold everything.
    followers = [Follower(limit=2), Follower(limit=200)]

    with (
        serving("--processes", "2") as server,
        ThreadPoolExecutor(WRITERS) as threads,
    ):
        with following(server.url, *followers):
            list(threads.map(write, [server.url] * WRITERS, [old[number::WRITERS] for number in range(WRITERS)]))
        with Connection(server.url) as connection:
            for follower in followers:
                follower.catch_up(connection)
            live = all_pages(connection, NOTES)

    for follower in followers:
        assert {row["id"]: row for row in follower.rows.values() if not row["deleted"]} == live
        assert_nothing_was_missed(follower, notebook)
    assert list(verification.problems(notebook)) == []


def write(url, old):
    """Make as many notes as there are old ones, and change some of those.

    Most are written once, so that no later write hides that the first was missed.
    """
    with Connection(url) as connection:
        for number, note_id in enumerate(old):
            assert connection.send("POST", NOTES, {"title": "New"}).status == 201
            if number % 3 == 0:
                assert connection.send("PATCH", f"{NOTES}/{note_id}", {"body": "More"}).status == 200
            if number % 5 == 0:
                assert connection.send("DELETE", f"{NOTES}/{note_id}").status == 204


def assert_nothing_was_missed(follower, notebook):
    """Each number of the log was seen, or the note was seen later at a higher one."""
    notebook.refresh_from_db()
    assert follower.since == notebook.revision
    assert follower.numbers == sorted(set(follower.numbers))
    log = list(notebook.revisions.order_by("number").values_list("number", "note__uuid"))
    assert [number for number, _ in log] == list(range(1, notebook.revision + 1))
    missed = [
        number for number, note_id in log if follower.rows.get(str(note_id), {"revision": 0})["revision"] < number
    ]
    assert missed == []
    present = {str(uuid): revision for uuid, revision in notebook.notes.values_list("uuid", "revision")}
    assert {note_id: row["revision"] for note_id, row in follower.rows.items()} == present


def all_pages(connection, address):
    """Return all notes of a list as the feed shows them, by id."""
    return {row["id"]: {**row, "deleted": False} for row in results(connection, f"{address}?limit=200")}
