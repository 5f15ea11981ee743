"""What is read straight off a row is what DRF's own serializer says, for every field and kind of text."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from rest_framework import serializers

from notes.api.representation import FromRow
from notes.api.serializers import ListedNoteSerializer, NewNoteSerializer, NoteSerializer, TrashedNoteSerializer
from notes.models import Note, Notebook

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


@pytest.mark.once
@pytest.mark.parametrize("only", [None, ["id", "title"], ["body"]])
def test_a_row_of_a_list_has_the_fields_that_were_asked_for(only):
    serializer, note = ListedNoteSerializer(only=only), note_with("text", MOMENTS[0])

    shown = serializer.to_representation(note)

    said = dict(serializers.Serializer.to_representation(NoteSerializer(), note))
    assert shown == {name: value for name, value in said.items() if only is None or name in only}


@pytest.mark.once
def test_a_kind_of_field_that_cannot_be_read_off_a_row_is_told_at_once():
    class Strange(FromRow, serializers.Serializer):
        price = serializers.DecimalField(max_digits=5, decimal_places=2)

    with pytest.raises(KeyError, match="DecimalField"):
        Strange().to_representation(object())
