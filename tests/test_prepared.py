"""Statements that are compiled once store and find what the ORM's own would."""

import pytest
from django.utils import timezone

from notes.door import drafted
from notes.models import Note
from notes.prepared import Insert, Parameter, Parameters, Prepared, Update

pytestmark = pytest.mark.django_db
OLD = {"title": "Ünïcode 漢字", "body": "1 % and %s\n", "tags": ["a", "ß"]}


def stored(note):
    return {name: value for name, value in Note.objects.filter(pk=note.pk).values().get().items() if name != "id"}


def draft(notebook, number):
    return drafted(notebook, number, **OLD)


def test_a_row_is_inserted_as_the_orm_inserts_it(notebook):
    ours, theirs = draft(notebook, 1), draft(notebook, 2)
    ours.position, theirs.position = 1, 2

    insert = Insert(Note)
    insert.create(ours)
    Note.objects.bulk_create([theirs])

    own = {"uuid", "revision", "position", "created_at", "updated_at"}
    assert {k: v for k, v in stored(ours).items() if k not in own} == {
        k: v for k, v in stored(theirs).items() if k not in own
    }
    assert {name: getattr(ours, name) for name in own} == {name: stored(ours)[name] for name in own}
    assert ours._state.adding is False


@pytest.mark.parametrize("deleted_at", [None, timezone.now()], ids=["none", "a time"])
def test_rows_are_updated_as_the_orm_updates_them(notebook, note, deleted_at):
    pk = Parameter("pk", Note._meta.pk)
    update = Update(lambda: Note.objects.filter(pk=pk), ["title", "tags", "deleted_at"])
    columns = {"title": "Ünïcode %s", "tags": ["ß"], "deleted_at": deleted_at}

    assert [update.update(pk=note.pk, **columns), update.update(pk=0, **columns)] == [1, 0]

    ours = stored(note)
    Note.objects.filter(pk=note.pk).update(**columns)
    assert ours == stored(note)
    assert {name: ours[name] for name in columns} == columns


def test_a_list_of_any_length_is_one_parameter(notebook, note):
    among = Parameters("positions", Note._meta.get_field("position"))
    found = Prepared(lambda: Note.objects.filter(position__among=among).values_list("position"))

    assert found.rows(positions=[*range(40_000), note.position]) == [(note.position,)]
    assert found.rows(positions=[]) == []
