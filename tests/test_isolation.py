"""A key of one notebook learns nothing of another: not by id, list, error, ETag, retry, cursor or time."""

import json
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notes.models import Note, Notebook, Receipt, Revision
from tests.people import client_with_key, make_key
from tests.problems import problem_of

NOTES = "/api/v1/notes"
SECRET = "xylophone"
EPOCH = "421ea4eb-0000-4000-8000-000000000000"


@pytest.fixture
def insider(notebook):
    """An admin key of the notebook that holds the secret."""
    Notebook.objects.filter(pk=notebook.pk).update(epoch=EPOCH)
    return client_with_key(make_key(notebook, "admin", last_used_at=timezone.now())[1])


@pytest.fixture
def foreigner(notebook):
    """An admin key of another notebook, with one note of its own."""
    other = Notebook.objects.create(name="other")
    client = client_with_key(make_key(other, "admin", name="own key", last_used_at=timezone.now())[1])
    client.post(NOTES, {"title": "own note"})
    return client


@pytest.fixture
def secret(insider):
    """The id of a live note that has been edited once."""
    note = insider.post(NOTES, {"title": SECRET, "body": f"{SECRET} Two", "tags": [SECRET]}).json()
    insider.patch(f"{NOTES}/{note['id']}", {"body": f"{SECRET} Two!"})
    return note["id"]


@pytest.fixture
def trashed(insider):
    """The id of a note in the trash."""
    note = insider.post(NOTES, {"title": f"{SECRET} in the trash"}).json()
    insider.delete(f"{NOTES}/{note['id']}")
    return note["id"]


# Every route with an id, and a valid body for it.
BY_ID = [
    ("GET", "/notes/{id}", None),
    ("HEAD", "/notes/{id}", None),
    ("OPTIONS", "/notes/{id}", None),
    ("PUT", "/notes/{id}", {"title": "x"}),
    ("PATCH", "/notes/{id}", {"title": "x"}),
    ("DELETE", "/notes/{id}", None),
    ("POST", "/notes/{id}/restore", None),
    ("POST", "/notes/{id}/append", {"text": "x"}),
    ("POST", "/notes/{id}/prepend", {"text": "x"}),
    ("POST", "/notes/{id}/replace", {"find": "Two", "replace": "x"}),
    ("GET", "/notes/{id}/revisions", None),
    ("GET", "/notes/{id}/revisions/1", None),
    ("GET", "/notes/{id}/revisions/2?diff=1", None),
    ("POST", "/notes/{id}/revisions/1/restore", None),
    ("DELETE", "/trash/{id}", None),
    ("DELETE", "/keys/{id}", None),
    ("POST", "/batch", {"operations": [{"op": "update", "id": "{id}", "title": "x"}]}),
    ("POST", "/batch", {"operations": [{"op": "patch", "id": "{id}", "title": "x"}]}),
    ("POST", "/batch", {"operations": [{"op": "patch", "id": "{id}", "title": "x", "if_match": 2, "epoch": EPOCH}]}),
    ("POST", "/batch", {"operations": [{"op": "delete", "id": "{id}"}]}),
    ("POST", "/batch", {"operations": [{"op": "restore", "id": "{id}"}]}),
    ("POST", "/batch", {"operations": [{"op": "append", "id": "{id}", "text": "x"}]}),
    ("POST", "/batch", {"operations": [{"op": "replace", "id": "{id}", "find": "Two", "replace": "x"}]}),
]
HEADERS = [
    {},
    {"If-Match": '"2-421ea4eb"'},
    {"If-Match": "*"},
    {"If-Match": '"999"'},
    {"If-None-Match": '"2-421ea4eb"'},
    {"Idempotency-Key": "the-same"},
]


def asked(client, request, note_id, headers):
    """Return (answer, number of queries). Whatever may differ in the answer is made equal."""
    method, path, fields = request
    body = json.dumps(fields).replace("{id}", note_id) if fields else ""
    address = "/api/v1" + path.replace("{id}", note_id)
    headers = {**headers, "X-Request-ID": "the-same"}
    with CaptureQueriesContext(connection) as queries:
        response = client.generic(method, address, body, content_type="application/json", headers=headers)
    text = response.content.decode().replace(note_id, "{id}")
    return (response.status_code, dict(response.headers), text), len(queries)


@pytest.mark.parametrize("request_", BY_ID, ids=str)
def test_a_foreign_id_is_answered_to_the_byte_like_one_that_nobody_has(foreigner, secret, trashed, request_):
    before = [*Note.objects.order_by("pk").values(), *Revision.objects.order_by("pk").values()]

    for headers in HEADERS:
        absent = asked(foreigner, request_, str(uuid.uuid4()), headers)

        # A header that the write would ignore is a 400 for every id.
        expected = {200} if request_[0] == "OPTIONS" else {404, 400} if headers else {404}
        assert absent[0][0] in expected
        for foreign in (secret, trashed):
            assert asked(foreigner, request_, foreign, headers) == absent

    assert [*Note.objects.order_by("pk").values(), *Revision.objects.order_by("pk").values()] == before


def test_a_foreign_key_is_answered_like_one_that_nobody_has(notebook, foreigner):
    key, _ = make_key(notebook)
    request = ("DELETE", "/keys/{id}", None)

    assert asked(foreigner, request, str(key.pk), {}) == asked(foreigner, request, str(uuid.uuid4()), {})
    key.refresh_from_db()
    assert key.revoked_at is None


def test_a_foreign_tag_is_answered_like_one_that_nobody_has(foreigner, secret):
    def renamed(tag):
        return asked(foreigner, ("POST", "/tags/rename", {"tag": "{id}", "name": "x"}), tag, {})

    absent = renamed("zeppelin")

    assert renamed(SECRET) == absent
    assert absent[0][0] == 404
    assert Note.objects.get(uuid=secret).tags == [SECRET]


@pytest.mark.parametrize("method", ["POST", "PUT", "batch"])
def test_an_id_that_another_notebook_has_is_free_here(foreigner, secret, trashed, method):
    for taken in (secret, trashed):
        if method == "POST":
            response = foreigner.post(NOTES, {"id": taken, "title": "mine"})
        elif method == "PUT":
            response = foreigner.put(f"{NOTES}/{taken}", {"title": "mine"}, headers={"If-None-Match": "*"})
        else:
            operation = {"op": "create", "id": taken, "title": "mine"}
            response = foreigner.post("/api/v1/batch", {"operations": [operation]})

        assert response.status_code == (200 if method == "batch" else 201)
        assert foreigner.get(f"{NOTES}/{taken}").json()["title"] == "mine"
    assert set(Note.objects.filter(uuid__in=[secret, trashed], title__startswith=SECRET)) == set(
        Note.objects.filter(notebook__name="default")
    )


READS = [
    *("/notes", "/notes?limit=200", f"/notes?q={SECRET}", f"/notes?q={SECRET[:4]}", f"/notes?tag={SECRET}"),
    *("/trash", "/changes", "/changes?since=0", "/tags", "/keys", "/me"),
]


@pytest.mark.parametrize("path", READS)
def test_what_is_read_here_is_the_same_whatever_is_written_there(foreigner, insider, notebook, path):
    def read():
        response = foreigner.get(f"/api/v1{path}", headers={"X-Request-ID": "the-same"})
        return response.status_code, dict(response.headers), response.content

    before = read()
    note = insider.post(NOTES, {"title": SECRET, "tags": [SECRET]}).json()
    insider.post(NOTES, {"title": SECRET, "tags": [SECRET, "own"]})
    insider.delete(f"{NOTES}/{note['id']}")
    insider.post("/api/v1/keys", {"name": SECRET, "level": "read"})

    assert read() == before
    assert before[0] == 200
    assert SECRET.encode() not in before[2]


def test_the_etag_of_a_foreign_list_or_note_says_nothing_here(foreigner, insider, secret):
    theirs = insider.get(NOTES)["ETag"]
    [own] = foreigner.get(NOTES).json()["results"]
    their_note = insider.get(f"{NOTES}/{secret}")["ETag"]

    assert foreigner.get(NOTES, headers={"If-None-Match": theirs}).status_code == 200
    assert foreigner.get(NOTES)["ETag"] != theirs
    assert foreigner.get(f"{NOTES}/{own['id']}", headers={"If-None-Match": their_note}).status_code == 200


def test_the_epoch_and_the_numbers_of_another_notebook_lead_to_no_changes_here(foreigner, insider, secret, trashed):
    theirs = insider.get("/api/v1/changes").json()

    assert foreigner.get(f"/api/v1/changes?epoch={theirs['epoch']}").status_code == 410
    assert foreigner.get(f"/api/v1/changes?since={theirs['revision']}").status_code == 410
    assert foreigner.get("/api/v1/changes").json()["epoch"] != theirs["epoch"]


def test_the_same_idempotency_key_in_two_notebooks_is_two_writes(foreigner, insider):
    headers = {"Idempotency-Key": "the-same"}
    theirs = insider.post(NOTES, {"title": SECRET}, headers=headers)

    ours = foreigner.post(NOTES, {"title": "mine"}, headers=headers)
    again = foreigner.post(NOTES, {"title": "mine"}, headers=headers)

    assert (theirs.status_code, ours.status_code, again.status_code) == (201, 201, 201)
    assert "Idempotency-Replayed" not in ours
    assert again["Idempotency-Replayed"] == "true"
    assert ours.json()["title"] == "mine"
    assert again.json() == ours.json() != theirs.json()
    assert Receipt.objects.count() == 2


def test_the_same_idempotency_key_of_two_keys_of_one_notebook_is_two_writes(notebook, insider):
    headers = {"Idempotency-Key": "the-same"}
    colleague = client_with_key(make_key(notebook)[1])

    one = insider.post(NOTES, {"title": "one"}, headers=headers).json()
    two = colleague.post(NOTES, {"title": "two"}, headers=headers).json()

    assert (one["title"], two["title"]) == ("one", "two")


@pytest.mark.parametrize("path", ["/notes", "/trash", "/tags", "/keys", "/notes/{id}/revisions"])
def test_a_cursor_of_another_notebook_is_a_400(foreigner, insider, secret, notebook, path):
    for _ in range(2):
        note = insider.post(NOTES, {"title": SECRET}).json()
        insider.delete(f"{NOTES}/{note['id']}")
        insider.post(NOTES, {"title": SECRET, "tags": [SECRET, "own"]})
        make_key(notebook)
    foreigner.post(NOTES, {"id": secret, "title": "mine"})
    link = insider.get(f"/api/v1{path.format(id=secret)}?limit=1").json()["next"]
    cursor = link.partition("?")[2]

    response = foreigner.get(f"/api/v1{path.format(id=secret)}?{cursor}")

    assert insider.get(link).status_code == 200
    assert problem_of(response, 400)["errors"][0]["field"] == "cursor"


def test_a_rate_is_counted_for_each_key_apart(foreigner, insider, settings):
    settings.NOTES_RATE_WRITES = (1, 86_400)
    insider.post(NOTES, {"title": SECRET})
    assert insider.post(NOTES, {"title": SECRET}).status_code == 429

    assert foreigner.post(NOTES, {"title": "mine"}).status_code == 201
