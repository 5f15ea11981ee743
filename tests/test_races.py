"""Writes that meet: real threads, through the URL, on the real database."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from notes.door import Door
from notes.models import Note, Revision
from tests.keys import OPERATOR_KEY
from tests.people import client_with_key

NOTES = "/api/v1/notes"
# Enough rounds for the lost update and the revived note to show up every time if the lock is taken away.
ROUNDS = 200
FEWER_ROUNDS = 50
BARRIER_SECONDS = 30

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def notes(notebook, by):
    """A note for each round."""
    with Door(notebook, by) as door:
        return [door.create(title=f"Old {number}", body="Old") for number in range(ROUNDS)]


def test_patches_of_different_fields_both_stay(notebook, notes):
    def change_title(client, note):
        return client.patch(address(note), {"title": "New"})

    def change_body(client, note):
        return client.patch(address(note), {"body": "New"})

    statuses = race(notes, change_title, change_body)

    assert set(statuses) == {(200, 200)}
    assert set(Note.objects.values_list("title", "body")) == {("New", "New")}
    assert_log_and_notes_agree(notebook)


def test_patches_of_one_field_leave_one_of_the_two_and_both_in_the_log(notebook, notes):
    def one(client, note):
        return client.patch(address(note), {"body": "One"})

    def two(client, note):
        return client.patch(address(note), {"body": "Two"})

    statuses = race(notes[:FEWER_ROUNDS], one, two)

    assert set(statuses) == {(200, 200)}
    for note in notes[:FEWER_ROUNDS]:
        assert set(note.revisions.values_list("body", flat=True)) == {"Old", "One", "Two"}
    assert_log_and_notes_agree(notebook)


def test_a_patch_neither_revives_a_note_that_is_being_deleted_nor_gets_lost(notebook, notes):
    def patch(client, note):
        return client.patch(address(note), {"title": "New"})

    def delete(client, note):
        return client.delete(address(note))

    statuses = race(notes, patch, delete)

    assert set(statuses) <= {(200, 204), (404, 204)}
    assert Note.objects.count() == ROUNDS
    assert not Note.objects.live().exists()
    for note, (patched, _) in zip(notes, statuses):
        actions = list(note.revisions.order_by("number").values_list("action", flat=True))
        assert actions == (["create", "edit", "trash"] if patched == 200 else ["create", "trash"])
        assert (Note.objects.get(pk=note.pk).title == "New") is (patched == 200)
    assert_log_and_notes_agree(notebook)


def test_exactly_one_of_two_deletes_is_a_204(notebook, notes):
    def delete(client, note):
        return client.delete(address(note))

    statuses = race(notes, delete, delete)

    assert {tuple(sorted(pair)) for pair in statuses} == {(204, 404)}
    assert Revision.objects.filter(action="trash").count() == ROUNDS
    assert_log_and_notes_agree(notebook)


def test_exactly_one_of_two_creates_with_one_id_is_a_201(notebook):
    ids = [str(uuid.uuid4()) for _ in range(FEWER_ROUNDS)]

    def create(client, note_id):
        return client.post(NOTES, {"id": note_id, "title": "Mine"})

    statuses = race(ids, create, create)

    assert {tuple(sorted(pair)) for pair in statuses} == {(201, 409)}
    assert Note.objects.count() == FEWER_ROUNDS
    assert_log_and_notes_agree(notebook)


def test_many_writers_of_one_notebook_leave_no_hole_and_no_double_number(notebook):
    def write(client, number):
        created = client.post(NOTES, {"title": f"Note {number}"})
        changed = client.patch(created["Location"], {"body": "More"})
        return client.delete(created["Location"]) if number % 2 else changed

    statuses = race(range(10), *[write] * 8)

    assert set(sum(statuses, ())) == {200, 204}
    assert Note.objects.count() == 80
    assert Revision.objects.count() == 80 + 80 + 40
    assert_log_and_notes_agree(notebook)


def race(things, *writers):
    """Each writer, in a thread and with a client of its own, writes to each thing, at the same moment as the others.

    Return the statuses of the answers, a tuple for each thing.
    """
    start = threading.Barrier(len(writers), timeout=BARRIER_SECONDS)

    def run(writer):
        client = client_with_key(OPERATOR_KEY)
        statuses = []
        try:
            for thing in things:
                start.wait()
                statuses.append(writer(client, thing).status_code)
        except BaseException:
            start.abort()
            raise
        finally:
            connections.close_all()
        return statuses

    with ThreadPoolExecutor(len(writers)) as threads:
        return list(zip(*threads.map(run, writers)))


def address(note):
    return f"{NOTES}/{note.uuid}"


def assert_log_and_notes_agree(notebook):
    """The log's numbers have no hole and no double, and the last row of each note is what the note is now."""
    notebook.refresh_from_db()
    log = list(notebook.revisions.order_by("number"))
    assert [row.number for row in log] == list(range(1, notebook.revision + 1))
    last = {row.note_id: row for row in log}
    assert last.keys() == set(notebook.notes.values_list("pk", flat=True))
    for note in notebook.notes.all():
        row = last[note.pk]
        assert (note.revision, note.title, note.body, note.tags) == (row.number, row.title, row.body, row.tags)
        assert (note.deleted_at is not None) is (row.action == Revision.TRASH)
