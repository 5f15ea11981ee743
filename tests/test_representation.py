"""What is read straight off a row is what DRF's own serializer says, for every field and kind of text."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from rest_framework import serializers

from notes.api.representation import FromRow
from notes.api.serializers import NewNoteSerializer, NoteSerializer, TrashedNoteSerializer
from notes.models import Note, Notebook
from notes.prepared import Parameter, Prepared

MOMENTS = [
    datetime(2026, 1, 2, 3, 4, 5, 678, UTC),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC),
    datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=45))),
]
TEXTS = [
    "",
    "plain",
    "\u0000\t\r\n",
    "Ünï 日本語 👩\u200d👩\u200d👧 e\u0301",
    "\u202eabc",
    '"\\</script>',
    "x" * 100_000,
]


def note_with(text, moment):
    return Note(
        notebook=Notebook(pk=1),
        title=text[:200],
        body=text,
        tags=[text[:50], "two"],
        metadata={"text": text[:1000], "list": [text[:50]], "whole": -1, "half": 0.5, "huge": 1e300, "true": True},
        revision=2**62,
        created_at=moment,
        updated_at=moment,
        deleted_at=moment,
    )


@pytest.mark.once
@pytest.mark.parametrize("serializer_class", [NoteSerializer, NewNoteSerializer, TrashedNoteSerializer])
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_row_is_shown_as_the_fields_of_its_serializer_say(serializer_class, moment, text):
    serializer, note = serializer_class(), note_with(text, moment)

    shown = serializer.to_representation(note)

    assert shown == dict(serializers.Serializer.to_representation(serializer, note))
    assert list(shown) == list(serializer.fields)


@pytest.mark.django_db
@pytest.mark.parametrize("only", [None, ["id", "title"], ["body"]])
@pytest.mark.parametrize("moment", MOMENTS[:3])
@pytest.mark.parametrize("text", [text for text in TEXTS if "\0" not in text], ids=range(len(TEXTS) - 1))
def test_a_row_of_the_database_is_shown_as_the_serializer_shows_its_note(notebook, moment, text, only):
    note = note_with(text, moment)
    note.notebook, note.position, note.revision = notebook, 1, 2**62
    note.save(force_insert=True)
    query = Prepared(lambda: Note.objects.with_short_bodies() if len(text) < 1000 else Note.objects.all())

    [shown] = TrashedNoteSerializer.of_rows(query, query.rows(), only)

    [loaded] = Note.objects.all()
    said = dict(serializers.Serializer.to_representation(TrashedNoteSerializer(), loaded))
    assert shown == {name: value for name, value in said.items() if only is None or name in only}


@pytest.mark.django_db
def test_a_prepared_query_gives_the_notes_of_its_queryset(notebook, note):
    uuid = Parameter("uuid", Note._meta.get_field("uuid"))
    queryset = Note.objects.select_related("notebook").with_short_bodies()
    query = Prepared(lambda: queryset.filter(uuid=uuid))

    found = query.first(uuid=note.uuid)

    expected = queryset.get(uuid=note.uuid)
    for name in [*(field.attname for field in Note._meta.fields), "body_bytes", "short_body"]:
        assert getattr(found, name) == getattr(expected, name)
    assert found.notebook == notebook
    assert query.first(uuid=notebook.epoch) is None


@pytest.mark.once
def test_a_kind_of_field_that_cannot_be_read_off_a_row_is_told_at_once():
    class Strange(FromRow, serializers.Serializer):
        price = serializers.DecimalField(max_digits=5, decimal_places=2)

    with pytest.raises(KeyError, match="DecimalField"):
        Strange().to_representation(object())
