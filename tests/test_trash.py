"""Safe to regret: delete, restore, purge."""

import itertools
import subprocess
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notes import databases
from notes.door import Door
from notes.management.commands import empty_trash
from notes.models import Note, Revision
from notes.search import sqlite
from notes.search.sqlite import SQLite
from notes.verification import problems
from tests.people import make_staff
from tests.writing import create_note, create_notes

NOTES, TRASH = "/api/v1/notes", "/api/v1/trash"


@pytest.fixture
def trashed(operator, note):
    operator.delete(f"{NOTES}/{note.uuid}")
    note.refresh_from_db()
    return note


def test_the_trash_lists_the_last_deleted_first(operator, note):
    other = operator.post(NOTES, {"title": "Other"}).data["id"]
    operator.delete(f"{NOTES}/{other}")
    operator.delete(f"{NOTES}/{note.uuid}")

    rows = operator.get(TRASH).data["results"]

    assert [row["id"] for row in rows] == [str(note.uuid), other]
    assert rows[0]["body"] == "One\nTwo\n"
    assert rows[0]["deleted_at"].endswith("Z")


def test_a_restored_note_is_as_it_was(operator, trashed):
    response = operator.post(f"{NOTES}/{trashed.uuid}/restore")

    assert response.status_code == 200
    assert (response.data["title"], response.data["body"], response.data["tags"]) == ("Plan", "One\nTwo\n", ["work"])
    assert operator.get(f"{NOTES}/{trashed.uuid}").data == response.data
    assert operator.get(TRASH).data["results"] == []


def test_restoring_a_live_note_takes_no_number(operator, note):
    response = operator.post(f"{NOTES}/{note.uuid}/restore")

    assert (response.status_code, response.data["revision"]) == (200, note.revision)


def test_restore_obeys_if_match(operator, trashed):
    address = f"{NOTES}/{trashed.uuid}/restore"

    refused = operator.post(address, headers={"If-Match": '"1"'})

    assert refused.status_code == 412
    assert operator.post(address, headers={"If-Match": refused["ETag"]}).status_code == 200


def test_a_note_in_the_trash_takes_no_other_write(operator, trashed):
    url = f"{NOTES}/{trashed.uuid}"

    answers = [
        operator.put(url, {"title": "x"}),
        operator.patch(url, {"title": "x"}),
        operator.delete(url),
        operator.post(f"{url}/append", {"text": "x"}),
        operator.post(f"{url}/revisions/1/restore"),
    ]

    assert {answer.status_code for answer in answers} == {404}


def test_a_purged_note_leaves_a_tombstone_and_no_content_anywhere(operator, trashed, notebook):
    response = operator.delete(f"{TRASH}/{trashed.uuid}")

    assert response.status_code == 204
    tombstone = Note.objects.get(pk=trashed.pk)
    assert (tombstone.title, tombstone.body, tombstone.tags) == ("", "", [])
    assert set(Revision.objects.values_list("title", "body", "tags")) == {(None, None, None)}
    assert [row.action for row in Revision.objects.order_by("number")] == ["create", "trash", "purge"]
    assert list(problems(notebook)) == []


def test_a_purged_note_is_gone_for_good(operator, trashed):
    operator.delete(f"{TRASH}/{trashed.uuid}")
    url = f"{NOTES}/{trashed.uuid}"

    assert operator.get(TRASH).data["results"] == []
    assert operator.post(f"{url}/restore").status_code == 404
    assert operator.get(f"{url}/revisions").status_code == 404
    assert operator.delete(f"{TRASH}/{trashed.uuid}").status_code == 404
    assert operator.post(NOTES, {"id": str(trashed.uuid), "title": "x"}).status_code == 409


def test_only_what_is_in_the_trash_can_be_purged(operator, note):
    assert operator.delete(f"{TRASH}/{note.uuid}").status_code == 404
    assert operator.get(f"{NOTES}/{note.uuid}").status_code == 200


def test_of_staff_only_a_superuser_may_purge(stranger, staff, trashed):
    stranger.force_login(make_staff("bob"))

    refused = stranger.delete(f"{TRASH}/{trashed.uuid}")

    assert refused.status_code == 403
    assert "admin" in refused.json()["detail"]
    assert staff.delete(f"{TRASH}/{trashed.uuid}").status_code == 204


def test_a_stranger_sees_neither_trash_nor_history_of_a_public_notebook(stranger, note):
    assert stranger.get(f"{NOTES}/{note.uuid}").status_code == 200
    assert stranger.get(TRASH).status_code == 401
    assert stranger.get(f"{NOTES}/{note.uuid}/revisions").status_code == 401
    assert stranger.get(f"{NOTES}/{note.uuid}/revisions/1").status_code == 401


@pytest.mark.django_db(transaction=True)
def test_empty_trash_erases_only_what_is_old_enough(operator, notebook, by, capsys):
    with Door(notebook, by) as door:
        old, young, live = (door.create(title=title) for title in ("old", "young", "live"))
        door.trash(old)
        door.trash(young)
    Note.objects.filter(pk=old.pk).update(deleted_at=timezone.now() - timedelta(days=31))

    call_command("empty_trash")

    assert capsys.readouterr().out == "Erased 1 notes that were in the trash for more than 30 days.\n"
    assert [row["title"] for row in operator.get(TRASH).data["results"]] == ["young"]
    assert operator.get(f"{NOTES}/{live.uuid}").status_code == 200
    assert Revision.objects.get(action="purge").writer == "command:empty_trash"
    notebook.refresh_from_db()
    assert list(problems(notebook)) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("deleted_again", [False, True])
def test_empty_trash_leaves_what_is_restored_while_it_runs(operator, notebook, by, monkeypatch, deleted_again):
    with Door(notebook, by) as door:
        first, saved = (door.create(title=title) for title in ("first", "saved"))
        door.trash(first)
        door.trash(saved)
    Note.objects.update(deleted_at=timezone.now() - timedelta(days=31))

    def walked(pks, **options):
        assert list(pks) == [first.pk, saved.pk]
        yield first.pk
        assert operator.post(f"{NOTES}/{saved.uuid}/restore").status_code == 200
        if deleted_again:
            operator.delete(f"{NOTES}/{saved.uuid}")
        yield saved.pk

    monkeypatch.setattr(empty_trash, "tqdm", walked)
    call_command("empty_trash")

    assert Note.objects.get(pk=first.pk).purged_at
    assert Note.objects.get(pk=saved.pk).title == "saved"
    assert operator.post(f"{NOTES}/{saved.uuid}/restore").status_code == 200
    notebook.refresh_from_db()
    assert list(problems(notebook)) == []


@pytest.mark.django_db(transaction=True)
def test_what_was_purged_is_nowhere_in_the_database_file(operator, notebook, by):
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL's files are read by the server alone; the tables are checked above")
    draft = {
        "title": "xyzzytitle",
        "body": "The word is plughbody.",
        "tags": ["frobtag"],
        "metadata": {"name": "waldo"},
    }
    secret, *_ = create_notes(notebook, by, [draft] + [{"title": "other"}] * 50)
    file = Path(str(connection.settings_dict["NAME"]))
    assert b"plughbody" in whole(file)

    operator.delete(f"{NOTES}/{secret.uuid}")
    operator.delete(f"{TRASH}/{secret.uuid}")

    for text in (b"xyzzytitle", b"plughbody", b"frobtag", b"waldo"):
        assert text not in whole(file)


def whole(file):
    """Return the bytes of the database and of its write-ahead log.

    Another process reads them: closing the file in this process would take the locks from its connections.
    """
    return subprocess.run(["cat", *file.parent.glob(f"{file.name}*")], capture_output=True, check=True).stdout


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL wipes out by VACUUM alone")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("step", "merges"), [(0.01, 4), (0.06, 0)])
def test_a_purge_wipes_out_for_a_moment_and_no_longer(operator, notebook, by, monkeypatch, step, merges):
    """This holds however much there is to do: here each look at the clock takes its time."""
    for _ in range(20):
        note = create_note(notebook, by, title="Note", body=" ".join(f"{number:x}" for number in range(5_000)))
    operator.delete(f"{NOTES}/{note.uuid}")
    looks = itertools.count()
    monkeypatch.setattr(sqlite, "time", SimpleNamespace(monotonic=lambda: next(looks) * step))
    monkeypatch.setattr(databases, "giving_way", nullcontext)
    monkeypatch.setattr(SQLite, "PAGES_OF_A_MERGE", 1)

    with CaptureQueriesContext(connection) as captured:
        response = operator.delete(f"/api/v1/trash/{note.uuid}")

    assert response.status_code == 204
    assert sum("'merge'" in query["sql"] for query in captured) == merges
