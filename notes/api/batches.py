"""Batches: many writes in one transaction, each carried out by the operation that its "op" names."""

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from notes.api import operations
from notes.api.fields import Count, NoteId
from notes.api.preconditions import Expected
from notes.api.problems import Problem, raises
from notes.api.serializers import StrictSerializer


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
    items = operations.valid(BatchSerializer, fields)["operations"]
    outcomes = []
    for number, item in enumerate(items):
        try:
            outcomes.append(carry_out(door, item))
        except ValidationError as error:
            raise ValidationError({"operations": {str(number): error.detail}}) from None
        except Problem as error:
            error.members["operation"] = number
            raise
    return outcomes


def carry_out(door, item):
    fields, note_id = item["fields"], item.get("id")
    if item["op"] == "create":
        if note_id:
            fields = {"id": str(note_id), **fields}
        if "if_match" in item:
            raise ValidationError({"if_match": ["A note that is being created has no revision yet."]})
    elif note_id is None:
        raise ValidationError({"id": ["Say which note."]}, code="required")
    expected = Expected(if_match=frozenset([str(item["if_match"])])) if "if_match" in item else Expected()
    return operations.BATCH[item["op"]].operation(door, note_id and str(note_id), fields, expected)
