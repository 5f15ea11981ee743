"""The door: every write goes through it, under the lock, with a number, a log row, the index and the tags."""

import pytest
from django.db import IntegrityError

from notes.content import NotAllowed
from notes.door import Door, NoteHasChanged
from notes.models import Note, Notebook, Revision, Tag
from notes.search.query import parse
from notes.verification import problems
from tests.writing import create_note, create_old_note, edit

pytestmark = pytest.mark.django_db


def stored(notebook):
    notebook.refresh_from_db()
    return notebook.revision, list(Note.objects.order_by("pk").values()), Revision.objects.count()


def test_many_writes_through_one_door_take_numbers_in_order(notebook, by):
    with Door(notebook, by) as door:
        one, two = door.create(title="One"), door.create(title="Two")
        door.edit(one, body="Edited")
        door.trash(two)

    assert [row.number for row in Revision.objects.order_by("number")] == [1, 2, 3, 4]
    assert (one.revision, two.revision) == (3, 4)
    notebook.refresh_from_db()
    assert notebook.revision == 4
    assert list(problems(notebook)) == []


def test_a_note_read_anew_behind_the_same_door_is_the_present(notebook, by, note):
    """Each operation of a batch reads the note anew, too. It does not matter which Python object is written."""
    with Door(notebook, by) as door:
        door.edit(Note.objects.get(pk=note.pk), title="Two", tags=["a"])
        door.edit(Note.objects.get(pk=note.pk), title="Three", tags=["b"])
        door.create(title="Other")

    assert [found.title for found in notebook.notes.found_by(notebook, parse("three"))] == ["Three"]
    assert list(Tag.objects.values_list("name", "notes")) == [("b", 1)]
    notebook.refresh_from_db()
    assert list(problems(notebook)) == []


def test_the_door_counts_the_notes_along(notebook, by):
    def counted(*ways):
        with Door(notebook, by) as door:
            for way in ways:
                way(door)
        notebook.refresh_from_db()
        assert list(problems(notebook)) == []
        return notebook.live_notes, notebook.trashed_notes

    def note():
        return notebook.notes.get(title="One")

    assert counted(lambda door: door.create(title="One"), lambda door: door.create(title="Two")) == (2, 0)
    assert counted(lambda door: door.edit(note(), body="Edited")) == (2, 0)
    assert counted(lambda door: door.trash(note())) == (1, 1)
    assert counted(lambda door: door.restore(note())) == (2, 0)
    assert counted(lambda door: door.trash(note()), lambda door: door.purge(note())) == (1, 0)
    assert counted(lambda door: door.trash(door.create(title="Three"))) == (1, 1)
    assert counted() == (1, 1)


def test_a_wrong_count_refuses_no_write(notebook, by, note):
    Notebook.objects.update(live_notes=0)

    with Door(notebook, by) as door:
        door.trash(note)

    notebook.refresh_from_db()
    assert (notebook.live_notes, notebook.trashed_notes) == (-1, 1)


def test_a_note_of_another_notebook_is_refused(notebook, by, note):
    other = Notebook.objects.create(name="other")
    before = stored(notebook)

    with pytest.raises(NoteHasChanged), Door(other, by) as door:
        door.edit(note, title="Theirs")

    assert stored(notebook) == before


def test_a_note_that_has_changed_since_it_was_read_is_refused(notebook, by, note):
    stale = Note.objects.get(pk=note.pk)
    edit(note, by, title="New")
    before = stored(notebook)

    with pytest.raises(NoteHasChanged), Door(notebook, by) as door:
        door.edit(stale, title="Newer")

    assert stored(notebook) == before


def test_what_fails_before_the_door_closes_leaves_nothing(notebook, by, note):
    before = stored(notebook)

    def write_and_fail():
        with Door(notebook, by) as door:
            door.create(title="New", tags=["new"])
            door.edit(note, title="Changed")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()

    assert stored(notebook) == before
    assert list(problems(notebook)) == []


def test_a_door_through_which_nothing_goes_writes_nothing(notebook, by, note, django_assert_num_queries):
    before = stored(notebook)

    # A savepoint, the read of the counter, and the end of the savepoint.
    with django_assert_num_queries(3), Door(notebook, by) as door:
        assert door.edit(note, title=note.title) is False
        assert door.restore(note) is False

    assert stored(notebook) == before


def test_two_doors_of_one_notebook_at_a_time_take_no_number_twice(notebook, by):
    def write_through_both():
        with Door(notebook, by) as outer, Door(notebook, by) as inner:
            outer.create(title="One")
            inner.create(title="Two")

    with pytest.raises(IntegrityError):
        write_through_both()

    create_note(notebook, by, title="Three")
    notebook.refresh_from_db()
    assert list(problems(notebook)) == []


@pytest.mark.parametrize(
    "columns",
    [
        {"title": "\u200b"},
        {"title": "x" * 201},
        {"body": "a\x00"},
        {"body": "\ud800"},
        {"tags": ["a,b"]},
        {"tags": [" "]},
    ],
    ids=str,
)
def test_what_a_note_may_not_hold_is_refused_whoever_forgot_to_look(notebook, by, note, columns):
    before = stored(notebook)

    with Door(notebook, by) as door:
        with pytest.raises(NotAllowed):
            door.create(**{"title": "New", **columns})
        with pytest.raises(NotAllowed):
            door.edit(note, **columns)

    assert stored(notebook) == before


def test_what_a_note_holds_already_may_stay(notebook, by, settings):
    settings.NOTES_MAX_BODY_CHARS = 5
    note = create_old_note(notebook, by, title="\u200b", body="longer", tags=["a,b"])

    with Door(notebook, by) as door:
        door.edit(note, title="New", body="newest", tags=["a,b"])
        with pytest.raises(NotAllowed):
            door.edit(note, body="longest")
        door.revert(note, note.revisions.earliest("number"))

    assert (note.title, note.body, note.tags) == ("\u200b", "longer", ["a,b"])
