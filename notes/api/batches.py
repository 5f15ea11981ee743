"""Batches: many writes in one transaction, each carried out by the operation that its "op" names."""

import re
from contextlib import contextmanager
from itertools import groupby

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from notes.api import operations
from notes.api.fields import Epoch, NoteId
from notes.api.preconditions import EXAMPLE, Expected, tag_of_note
from notes.api.problems import Problem, raises
from notes.api.serializers import NewNoteSerializer, StrictSerializer

ETAG = re.compile(r"""(?P<quote>(?:W/)?")?(?P<tag>[\x21\x23-\x7e]+)(?(quote)")""")
NO_REVISION_YET = "A note that is being created has no revision yet."


@extend_schema_field(
    {"oneOf": [{"type": "string", "pattern": r'^((W/)?"[!#-~]+"|[!#-~]+)$'}, {"type": "integer", "minimum": 0}]}
)
class IfMatch(serializers.Field):
    """An ETag, in its double quotes or without them, or the number of a revision."""

    default_error_messages = {"invalid": f"Write the ETag of the note ({EXAMPLE}), or its revision and the `epoch`."}

    def to_internal_value(self, value):
        if isinstance(value, str) and (match := ETAG.fullmatch(value)):
            return match["tag"]
        if type(value) is not int or value < 0:
            self.fail("invalid")
        return value


class BatchItemSerializer(serializers.Serializer):
    """One write. Apart from `op`, `id`, `if_match` and `epoch` it holds what the operation's own request would hold."""

    op = serializers.ChoiceField(list(operations.BATCH))
    id = NoteId(required=False, help_text="The note. On a create: the id it shall have, if you choose one.")
    if_match = IfMatch(required=False, help_text="The ETag that the note must have, or its revision beside `epoch`.")
    epoch = Epoch(required=False, help_text="The history that a revision in `if_match` belongs to.")

    def to_internal_value(self, item):
        """Return {"op", "id", "if_match", "fields"}; `fields` are for the operation to judge."""
        if not isinstance(item, dict):
            return super().to_internal_value(item)
        own = {name: item[name] for name in self.fields if name in item}
        known = super().to_internal_value(own)
        return {**known, "fields": {name: value for name, value in item.items() if name not in self.fields}}


class BatchSerializer(StrictSerializer):
    """Writes, to be carried out in order."""

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
            if errors := {name: [NO_REVISION_YET] for name in ("if_match", "epoch") if name in item}:
                raise ValidationError(errors)
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
        expected = Expected(if_match=expected_tags(item, door.notebook.epoch))
        return operations.BATCH[item["op"]].operation(door, str(item["id"]), item["fields"], expected)


def expected_tags(item, epoch):
    """Return the entity-tags that the item takes, none for another epoch than this one; or None for any."""
    if_match = item.get("if_match")
    if isinstance(if_match, int):
        if "epoch" not in item:
            raise ValidationError({"epoch": ["Say which history this revision belongs to."]}, code="required")
        return frozenset([tag_of_note(if_match, epoch)] if item["epoch"] == epoch else [])
    if "epoch" in item:
        raise ValidationError({"epoch": ["Send it beside a revision in `if_match`, and only there."]})
    return if_match and frozenset([if_match])
