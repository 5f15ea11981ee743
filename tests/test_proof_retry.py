"""Safe retry: whatever is sent three times at once is done once, and the three answers are the same."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from notes import verification
from notes.api.urls import v1
from notes.door import Door
from notes.models import Revision
from tests.keys import OPERATOR_KEY
from tests.people import client_with_key

NOTES = "/api/v1/notes"
TIMES = 3
ROUNDS = 10
BARRIER_SECONDS = 30

# Every POST of the API, by the name of its route: (what follows the address of the notes, what is sent).
# {note} is a live note with two revisions, {first} the number of the first, {trashed} a note in the trash.
POSTS = {
    "note-list": ("/notes", {"title": "Plan"}),
    "note-restore": ("/notes/{trashed}/restore", None),
    "note-append": ("/notes/{note}/append", {"text": "More"}),
    "note-prepend": ("/notes/{note}/prepend", {"text": "More"}),
    "note-replace": ("/notes/{note}/replace", {"find": "One", "replace": "One One"}),
    "revision-restore": ("/notes/{note}/revisions/{first}/restore", None),
    "tag-rename": ("/tags/rename", {"tag": "home", "name": "house"}),
    "batch": ("/batch", {"operations": [{"op": "create", "title": "Plan"}]}),
}
# The text of a new key is stored nowhere and cannot be answered twice: this one refuses an Idempotency-Key.
NOT_REPEATABLE = {"key-list"}

pytestmark = pytest.mark.django_db(transaction=True)


def test_these_are_all_the_posts_there_are():
    assert {*POSTS, *NOT_REPEATABLE} == {pattern.name for pattern in v1 if takes_post(pattern.callback)}


@pytest.mark.prove
@pytest.mark.parametrize("name", POSTS)
def test_a_post_sent_three_times_at_once_is_one_write(name, notebook, by):
    path, fields = POSTS[name]
    for _ in range(ROUNDS):
        address = "/api/v1" + path.format(**things_to_write_to(notebook, by))
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        before = last_number()

        answers = post_three_times_at_once(address, fields, headers)

        assert {answer.status_code for answer in answers} <= {200, 201}
        assert len({(answer.status_code, answer.content) for answer in answers}) == 1
        assert len({(answer.get("ETag"), answer.get("Location")) for answer in answers}) == 1
        assert sorted(answer.get("Idempotency-Replayed", "") for answer in answers) == ["", "true", "true"]
        assert last_number() == before + 1

    assert list(verification.problems(notebook)) == []


def test_a_note_with_an_id_of_the_client_sent_three_times_at_once_is_one_note(notebook):
    for _ in range(ROUNDS):
        fields = {"id": str(uuid.uuid4()), "title": "Plan"}

        answers = post_three_times_at_once(NOTES, fields, headers={})

        assert sorted(answer.status_code for answer in answers) == [201, 409, 409]

    assert last_number() == notebook.notes.count() == ROUNDS
    assert list(verification.problems(notebook)) == []


def post_three_times_at_once(address, fields, headers):
    start = threading.Barrier(TIMES, timeout=BARRIER_SECONDS)

    def post(client):
        start.wait()
        try:
            return client.post(address, fields, headers=headers)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(TIMES) as threads:
        return list(threads.map(post, [client_with_key(OPERATOR_KEY) for _ in range(TIMES)]))


def things_to_write_to(notebook, by):
    with Door(notebook, by) as door:
        note = door.create(title="Plan", body="One", tags=["home"])
        first = note.revision
        door.edit(note, title="Changed")
        trashed = door.create(title="Old")
        door.trash(trashed)
    return {"note": note.uuid, "first": first, "trashed": trashed.uuid}


def last_number():
    return Revision.objects.latest("number").number


def takes_post(view):
    if hasattr(view, "actions"):
        return "post" in view.actions
    return hasattr(view.cls, "post")
