"""Visible to every client: the feed of changes."""

import uuid

import pytest
from django.core.management import call_command

from notes.api.pagination import read_with_bodies
from notes.api.views import sync
from notes.door import Door
from tests.writing import create_notes

NOTES, CHANGES = "/api/v1/notes", "/api/v1/changes"


def test_each_changed_note_comes_once_at_its_latest_state(operator, note):
    url = f"{NOTES}/{note.uuid}"
    operator.patch(url, {"title": "Second"})
    other = operator.post(NOTES, {"title": "Other"}).data
    operator.patch(url, {"title": "Third"})

    feed = operator.get(CHANGES, {"since": 0}).json()

    assert [(row["id"], row["revision"], row["title"]) for row in feed["results"]] == [
        (other["id"], 3, "Other"),
        (str(note.uuid), 4, "Third"),
    ]
    assert feed["results"][0] == {**operator.get(f"{NOTES}/{other['id']}").json(), "deleted": False}
    assert (feed["revision"], feed["has_more"]) == (4, False)


def test_only_what_came_after_is_in_the_feed(operator, note):
    operator.post(NOTES, {"title": "Other"})

    feed = operator.get(CHANGES, {"since": note.revision}).json()

    assert [row["title"] for row in feed["results"]] == ["Other"]


def test_trashed_and_purged_notes_are_tombstones(operator, note):
    operator.delete(f"{NOTES}/{note.uuid}")
    trashed = operator.get(CHANGES, {"since": 1}).json()["results"]
    operator.delete(f"/api/v1/trash/{note.uuid}")
    purged = operator.get(CHANGES, {"since": 2}).json()["results"]

    assert trashed == [{"id": str(note.uuid), "revision": 2, "deleted": True}]
    assert purged == [{"id": str(note.uuid), "revision": 3, "deleted": True}]


def test_a_first_sync_goes_page_by_page_without_a_hole(operator, notebook, by):
    with Door(notebook, by) as door:
        ids = [str(door.create(title=f"Note {number}").uuid) for number in range(7)]
    seen, since, more = [], 0, True

    while more:
        feed = operator.get(CHANGES, {"since": since, "limit": 3}).json()
        seen += [row["id"] for row in feed["results"]]
        since, more = feed["revision"], feed["has_more"]

    assert seen == ids
    assert since == 7


def test_long_notes_end_a_page_early(operator, notebook, by):
    create_notes(notebook, by, [{"title": f"Novel {number}", "body": "word " * 20_000} for number in range(25)])

    first = operator.get(CHANGES, {"since": 0, "limit": 200}).json()
    second = operator.get(CHANGES, {"since": first["revision"], "limit": 200}).json()

    assert [row["title"] for row in first["results"] + second["results"]] == [f"Novel {number}" for number in range(25)]
    assert (len(first["results"]), first["revision"], first["has_more"]) == (20, 20, True)
    assert (second["revision"], second["has_more"]) == (25, False)


def test_a_stranger_sees_only_that_a_deleted_note_is_gone(operator, stranger, note):
    operator.delete(f"{NOTES}/{note.uuid}")

    assert stranger.get(CHANGES).json()["results"] == [{"id": str(note.uuid), "revision": 2, "deleted": True}]


def test_rows_younger_than_the_notebook_as_it_was_read_are_not_sent_again(operator, notebook, note, monkeypatch):
    def write_and_read(*args, **options):
        operator.patch(f"{NOTES}/{note.uuid}", {"title": "Younger"})
        return read_with_bodies(*args, **options)

    monkeypatch.setattr(sync, "read_with_bodies", write_and_read)
    feed = operator.get(CHANGES, {"since": 0}).json()
    monkeypatch.undo()

    # When it was read, the notebook was at revision 1.
    assert [(row["title"], row["revision"]) for row in feed["results"]] == [("Younger", 2)]
    assert (feed["revision"], feed["has_more"]) == (2, False)
    assert operator.get(CHANGES, {"since": feed["revision"]}).json()["results"] == []


def test_a_poll_with_nothing_new_costs_one_query(operator, note, django_assert_num_queries):
    with django_assert_num_queries(1):
        feed = operator.get(CHANGES, {"since": note.revision}).json()

    assert (feed["results"], feed["revision"], feed["has_more"]) == ([], note.revision, False)


def test_a_since_beyond_the_notebook_is_a_410(operator, note):
    response = operator.get(CHANGES, {"since": note.revision + 1})

    assert (response.status_code, response.json()["code"]) == (410, "resync_required")


def test_another_epoch_is_a_410(operator, note):
    epoch = operator.get(CHANGES).json()["epoch"]
    assert operator.get(CHANGES, {"since": 1, "epoch": epoch}).status_code == 200

    call_command("renew_epoch")

    response = operator.get(CHANGES, {"since": 1, "epoch": epoch})
    assert (response.status_code, response.json()["code"]) == (410, "resync_required")


@pytest.mark.parametrize(
    "since", ["-1", "9223372036854775808", "x", "1.0", "1e3", "", " 1", "+1", "0x1", "٣", "1" * 50]
)
def test_an_absurd_since_is_a_400_that_names_it(operator, since):
    response = operator.get(CHANGES, {"since": since})

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "since"


@pytest.mark.parametrize(("name", "value"), [("limit", "0"), ("limit", "201"), ("epoch", "x"), ("after", "1")])
def test_other_bad_parameters_are_a_400_that_names_them(operator, name, value):
    response = operator.get(CHANGES, {name: value})

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == name


def test_a_parameter_given_twice_is_a_400(operator):
    assert operator.get(f"{CHANGES}?since=1&since=2").status_code == 400


def test_a_stranger_may_follow_a_public_notebook(stranger, note):
    assert len(stranger.get(CHANGES).json()["results"]) == 1
    assert uuid.UUID(stranger.get(CHANGES).json()["epoch"])
