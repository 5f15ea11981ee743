"""Batches: many writes in one transaction, each carried out by the operation that its "op" names."""

from contextlib import contextmanager
from itertools import groupby

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from notes.api import operations
from notes.api.fields import Count, NoteId
from notes.api.preconditions import Expected
from notes.api.problems import Problem, raises
from notes.api.serializers import NewNoteSerializer, StrictSerializer


class BatchItemSerializer(serializers.Serializer):
    """One write. Apart from `op`, `id` and `if_match` it holds what the operation's own request would hold."""

    op = serializers.ChoiceField(list(operations.BATCH))
    id = NoteId(required=False, help_text="The note. On a create: the id it shall have, if you choose one.")
    if_match = Count(required=False, min_value=0, help_text="The revision that the note must have: as If-Match.")

    def to_internal_value(self, item):
        """Return {"op", "id", "if_match", "fields"}; `fields` are for the operation to judge."""
        if not isinstance(item, dict):
            return super().to_internal_value(item)
        own = {name: item[name] for name in self.fields if name in item}
        known = super().to_internal_value(own)
        return {**known, "fields": {name: value for name, value in item.items() if name not in self.fields}}


class BatchSerializer(StrictSerializer):
    operations = BatchItemSerializer(many=True, min_length=1, max_length=100)


@raises(*(error for write in operations.BATCH.values() for error in write.operation.raises))
def batch(door, note_id, fields, expected):
    """Return the outcomes of all items. The first error names the number of its item and ends the transaction."""
    items = enumerate(operations.valid(BatchSerializer, fields)["operations"])
    outcomes = []
    for is_create, together in groupby(items, lambda numbered: numbered[1]["op"] == "create"):
        if is_create:
            outcomes += created(door, list(together))
        else:
            outcomes += [carried_out(door, number, item) for number, item in together]
    return outcomes


@contextmanager
def naming(number):
    """Let an error name the item with this number."""
    try:
        yield
    except ValidationError as error:
        raise ValidationError({"operations": {str(number): error.detail}}) from None
    except Problem as error:
        error.members["operation"] = number
        raise


def created(door, numbered):
    """Carry out creates that follow each other. However many they are, they take the statements of one."""
    taken = operations.taken_among([item.get("id") for _, item in numbered], door.notebook)
    drafts = []
    for number, item in numbered:
        with naming(number):
            if "if_match" in item:
                raise ValidationError({"if_match": ["A note that is being created has no revision yet."]})
            draft = operations.valid(NewNoteSerializer, item["fields"])
            if note_id := item.get("id"):
                operations.raise_409_if_taken(note_id, taken)
                taken.add(note_id)
                draft["uuid"] = note_id
            drafts.append(draft)
    return [operations.Outcome(201, note) for note in door.create_many(drafts)]


def carried_out(door, number, item):
    with naming(number):
        if "id" not in item:
            raise ValidationError({"id": ["Say which note."]}, code="required")
        expected = Expected(if_match=frozenset([str(item["if_match"])])) if "if_match" in item else Expected()
        return operations.BATCH[item["op"]].operation(door, str(item["id"]), item["fields"], expected)
