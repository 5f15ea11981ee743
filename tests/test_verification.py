"""The checker that proofs and operators use finds each way in which log, notes, trash and counter can disagree."""

import re
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.db.models import F
from django.utils import timezone

from notes import databases, verification
from notes.door import Door, erase
from notes.models import Note, Notebook, Revision, Tag
from notes.search import index
from notes.verification import problems
from tests.writing import create_note, create_notes, edit, purge, restore, trash

IS_SQLITE = settings.DATABASES["default"]["ENGINE"].endswith("sqlite")


@pytest.fixture
def note(notebook, by):
    """Revision 3 of a notebook whose number 2 belongs to another note."""
    with Door(notebook, by) as door:
        note = door.create(title="Plan", body="One", tags=["work"])
        door.create(title="Other")
        door.edit(note, body="Two")
    return note


@pytest.fixture
def trashed(note, by):
    trash(note, by)
    return note


@pytest.fixture
def purged(trashed, by):
    purge(trashed, by)
    return trashed


def found_in(notebook):
    notebook.refresh_from_db()
    return "\n".join(problems(notebook))


def test_a_notebook_after_every_kind_of_write_is_in_agreement(notebook, note, by):
    trash(note, by)
    restore(note, by)
    erase(notebook.revisions.outdated(before=timezone.now(), keep=1))
    trash(note, by)
    purge(note, by)

    assert found_in(notebook) == ""


def test_wrong_counts_of_notes_are_reported_and_made_anew(notebook, trashed):
    Notebook.objects.update(live_notes=4, trashed_notes=0)

    found = found_in(notebook)
    call_command("rebuild_search", "--counts")

    assert "It has 1 live notes, but 4 are counted" in found
    assert "It has 1 trashed notes, but 0 are counted" in found
    assert found_in(notebook) == ""


def test_an_empty_notebook_is_in_agreement(notebook):
    assert found_in(notebook) == ""


@pytest.mark.parametrize("number", [0, 2, 4])
def test_a_counter_apart_from_the_log_is_reported(notebook, note, number):
    Notebook.objects.update(revision=number)

    assert f"The counter is at {number}, the last number in the log is 3." in found_in(notebook)


@pytest.mark.parametrize("number", [1, 2])
def test_a_hole_in_the_log_is_reported(notebook, note, number):
    Revision.objects.filter(number=number).delete()

    assert "The log has 2 rows" in found_in(notebook)


def test_a_lost_end_of_the_log_is_reported(notebook, note):
    Revision.objects.filter(number=3).delete()

    found = found_in(notebook)

    assert "The counter is at 3, the last number in the log is 2." in found
    assert f"Note {note.uuid} is at revision 3, its last row in the log is 1." in found


def test_a_log_that_does_not_begin_at_one_is_reported(notebook, note):
    Revision.objects.update(number=F("number") + 10)
    Note.objects.update(revision=F("revision") + 10)
    Notebook.objects.update(revision=F("revision") + 10)

    assert found_in(notebook) == "The log has 3 rows, from number 11 to 13."


def test_an_empty_log_beside_notes_is_reported(notebook, note):
    Revision.objects.all().delete()

    found = found_in(notebook)

    assert "The counter is at 3, the last number in the log is None." in found
    assert f"Note {note.uuid} is at revision 3, its last row in the log is None." in found


@pytest.mark.parametrize("revision", [1, 4])
def test_a_note_apart_from_its_last_write_is_reported(notebook, note, revision):
    Note.objects.filter(pk=note.pk).update(revision=revision)

    assert f"Note {note.uuid} is at revision {revision}, its last row in the log is 3." in found_in(notebook)


def test_a_note_that_claims_the_number_of_another_is_reported(notebook, note):
    Revision.objects.filter(number=3).update(note=Note.objects.get(title="Other"))

    assert f"Note {note.uuid} is at revision 3, its last row in the log is 1." in found_in(notebook)


@pytest.mark.parametrize(
    ("name", "value"),
    [("title", "Changed"), ("body", "two"), ("tags", ["home"]), ("tags", []), ("metadata", {"a": True})],
)
def test_a_note_with_another_content_than_its_last_write_is_reported(notebook, note, name, value):
    Note.objects.filter(pk=note.pk).update(**{name: value})

    assert f"Note {note.uuid} has another {name} than its revision 3." in found_in(notebook)


def test_a_last_write_with_another_content_than_the_note_is_reported(notebook, note):
    Revision.objects.filter(number=3).update(body="One")

    assert f"Note {note.uuid} has another body than its revision 3." in found_in(notebook)


def test_a_present_whose_content_was_erased_from_the_log_is_reported(notebook, note):
    erase(Revision.objects.filter(number=3))

    assert found_in(notebook) == f"Revision 3 is the present of note {note.uuid} and has no content."


def test_a_deleted_note_that_nobody_deleted_is_reported(notebook, note):
    Note.objects.filter(pk=note.pk).update(deleted_at=timezone.now())

    assert f"Note {note.uuid} is in the trash; its last write was: edit." in found_in(notebook)


def test_a_live_note_that_was_deleted_is_reported(notebook, trashed):
    Note.objects.filter(pk=trashed.pk).update(deleted_at=None)

    assert f"Note {trashed.uuid} is not in the trash; its last write was: trash." in found_in(notebook)


def test_a_purged_note_that_lives_is_reported(notebook, purged):
    Note.objects.filter(pk=purged.pk).update(deleted_at=None)

    assert f"Note {purged.uuid} is not in the trash; its last write was: purge." in found_in(notebook)


def test_a_purged_note_that_is_no_longer_marked_is_reported(notebook, purged):
    Note.objects.filter(pk=purged.pk).update(purged_at=None)

    assert f"is the present of note {purged.uuid} and has no content." in found_in(notebook)


@pytest.mark.parametrize(
    ("name", "value"), [("title", "Plan"), ("body", "Two"), ("tags", ["work"]), ("metadata", {"a": 0})]
)
def test_content_that_survived_a_purge_in_the_note_is_reported(notebook, purged, name, value):
    Note.objects.filter(pk=purged.pk).update(**{name: value})

    assert found_in(notebook) == f"Note {purged.uuid} was purged and still has content."


def test_content_that_survived_a_purge_in_the_log_is_reported(notebook, purged):
    Revision.objects.filter(number=1).update(title="Plan", body="One", tags=[])

    assert found_in(notebook) == f"Revision 1 still has content of note {purged.uuid}, which was purged."


def test_the_command_exits_with_0_when_all_notebooks_agree(notebook, note):
    Notebook.objects.create(name="second")

    output = verify()

    assert output == "default: 3 writes, all in agreement\nsecond: 0 writes, all in agreement\n"


def test_the_command_exits_with_1_when_one_of_the_notebooks_disagrees(notebook, note):
    Notebook.objects.create(name="second", revision=7)
    output = StringIO()

    with pytest.raises(SystemExit) as exit:
        call_command("verify_notebook", stdout=output)

    assert exit.value.code == 1
    assert "default: 3 writes, all in agreement" in output.getvalue()
    assert "second: The counter is at 7, the last number in the log is None." in output.getvalue()


def test_the_command_looks_at_the_notebooks_that_are_named(notebook, note):
    Notebook.objects.create(name="second", revision=7)

    assert verify("default") == "default: 3 writes, all in agreement\n"
    with pytest.raises(SystemExit):
        verify("second")


def test_the_command_refuses_a_name_that_no_notebook_has(notebook):
    with pytest.raises(CommandError, match="There is no notebook work"):
        verify("default", "work")


@pytest.mark.django_db(transaction=True)
def test_writes_meanwhile_are_neither_held_up_nor_taken_for_disagreements(notebook, note, by, monkeypatch):
    size = index.size

    def size_after_a_write(notebook):
        with ThreadPoolExecutor(1) as thread:
            thread.submit(write_in_thread, by).result(timeout=10)
        return size(notebook)

    monkeypatch.setattr(index, "size", size_after_a_write)

    assert verify() == "default: 3 writes, all in agreement\n"
    monkeypatch.undo()
    assert verify() == "default: 4 writes, all in agreement\n"


@pytest.mark.django_db(transaction=True)
def test_nothing_is_written_in_a_snapshot_and_everything_after_it(notebook, by):
    with pytest.raises(DatabaseError, match=r"read-?only"), databases.snapshot():
        Notebook.objects.update(name="other")

    notebook.refresh_from_db()
    assert notebook.name == "default"
    assert create_note(notebook, by, title="After it").revision == 1


def write_in_thread(by):
    try:
        create_note(Notebook.objects.get(), by, title="Meanwhile")
    finally:
        connection.close()


def verify(*names):
    output = StringIO()
    call_command("verify_notebook", *names, stdout=output)
    return re.sub(r"\w+: \d notes, 0 in the trash, content [0-9a-f]{64}\n", "", output.getvalue())


def test_a_live_note_that_is_not_in_the_search_index_is_reported(notebook, note):
    index.clear()

    assert found_in(notebook) == "2 live notes are missing in the search index; rebuild_search puts them there."


@pytest.mark.parametrize("name", ["title", "body", "tags", "metadata"])
def test_words_of_two_notes_that_are_swapped_in_the_search_index_are_reported(notebook, by, name):
    drafts = [
        {"title": word, "body": word, "tags": [word], "metadata": {"a": word}} for word in ("alpha", "beta", "gamma")
    ]
    one, other, _ = create_notes(notebook, by, drafts)
    assert found_in(notebook) == ""

    alpha, beta = getattr(one, name), getattr(other, name)
    setattr(one, name, beta)
    setattr(other, name, alpha)
    index.refresh([one, other])

    assert (
        found_in(notebook) == "2 notes have other words in the search index than their own; rebuild_search mends that."
    )


@pytest.mark.skipif("not IS_SQLITE", reason="PostgreSQL removes a note's row, whatever terms it has")
def test_a_note_written_past_the_door_is_reported_until_the_index_is_rebuilt(notebook, note, by, operator):
    Note.objects.filter(pk=note.pk).update(body="smuggled")
    note.refresh_from_db()

    edit(note, by, body="Three")

    assert "1 notes have other words in the search index" in found_in(notebook)
    edit(note, by, body="Four")
    assert "1 notes have other words in the search index" in found_in(notebook)
    call_command("rebuild_search", stdout=StringIO())
    assert found_in(notebook) == ""
    assert operator.get("/api/v1/notes", {"q": "two"}).json()["results"] == []


def test_a_note_in_the_search_index_that_is_not_live_is_reported(notebook, trashed):
    trashed.deleted_at = None
    index.refresh([trashed])

    assert found_in(notebook) == "The search index has 1 notes that are not live; rebuild_search takes them out."


def test_a_note_too_long_for_places_of_words_is_in_agreement(notebook, by):
    create_notes(notebook, by, [{"title": "Long", "body": "a b " * 20_000}])

    assert found_in(notebook) == ""


def test_more_notes_than_are_read_at_once_are_all_compared(notebook, by, monkeypatch):
    monkeypatch.setattr(verification, "NOTES_AT_ONCE", 2)
    notes = create_notes(notebook, by, [{"title": f"Note {number}"} for number in range(5)])
    notes[4].title = "Another"
    index.refresh(notes[4:])

    assert found_in(notebook).startswith("1 notes have other words in the search index")


def test_a_write_between_reading_the_notebook_and_the_snapshot_is_no_disagreement(notebook, note, by):
    read_before = Notebook.objects.get(pk=notebook.pk)
    edit(note, by, body="Three")

    assert list(problems(read_before)) == []


def test_a_tag_that_is_counted_wrongly_is_reported(notebook, note):
    Tag.objects.filter(key="work").update(notes=7)

    assert "counted as 7." in found_in(notebook)


@pytest.mark.parametrize("left", [{"title": "Plan"}, {"tags": ["home"]}, {"metadata": {"author": "Ada"}}])
def test_any_content_that_a_purge_left_in_the_log_is_reported(notebook, purged, left):
    row = Revision.objects.filter(note=purged).order_by("number").first()
    Revision.objects.filter(pk=row.pk).update(**left)

    assert f"Revision {row.number} still has content of note {purged.uuid}, which was purged." in found_in(notebook)


def test_a_row_that_was_erased_before_there_was_metadata_is_in_agreement(notebook, purged):
    Revision.objects.filter(note=purged).update(metadata={})

    assert found_in(notebook) == ""


def test_a_note_that_is_purged_without_a_purge_in_the_log_is_reported(notebook, trashed):
    Note.objects.filter(pk=trashed.pk).update(purged_at=timezone.now(), title="", body="", tags=[], metadata={})
    erase(Revision.objects.filter(note=trashed))

    assert f"Note {trashed.uuid} is purged; its last write was: trash." in found_in(notebook)


def test_another_time_of_change_than_in_the_log_is_reported(notebook, note):
    Note.objects.filter(pk=note.pk).update(updated_at=timezone.now())

    assert f"Note {note.uuid} has another updated_at than its revision 3." in found_in(notebook)


def test_a_log_row_of_a_note_of_another_notebook_is_reported(notebook, note):
    other = Notebook.objects.create(name="other")
    Revision.objects.filter(number=1).update(notebook=other)

    assert "Revision 1 belongs to a note of another notebook." in "\n".join(problems(other))


def test_a_receipt_of_a_write_that_is_not_in_the_log_is_reported(notebook, note):
    notebook.receipts.create(writer="operator", key="1", request_digest="x", outcomes=[[201, 99]])

    assert "The receipt of operator for '1' names a write that is not in the log." in found_in(notebook)
