"""What a note looks like outside, and what is refused at the door."""

import uuid
from datetime import UTC

from django.conf import settings
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import html

from notes import tags
from notes.models import LEVELS, MAX_TITLE_CHARS, Note, Revision


class Text(serializers.CharField):
    """Text kept as it came: DRF's own field trims it, and takes the number 123 for "123"."""

    def __init__(self, **kwargs):
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, value):
        if not isinstance(value, str):
            self.fail("invalid")
        return super().to_internal_value(value)


class Count(serializers.IntegerField):
    """A whole number in JSON: DRF's own field takes "1" and 1.0 too."""

    def to_internal_value(self, value):
        if type(value) is not int:
            self.fail("invalid")
        return super().to_internal_value(value)


class Tag(Text):
    default_error_messages = {
        "comma": "A tag has no comma in it.",
        "blank": "A tag has at least one visible character.",
    }

    def to_internal_value(self, value):
        name = super().to_internal_value(value)
        if not name.strip():
            self.fail("blank")
        if "," in name:
            self.fail("comma")
        return name


class Tags(serializers.ListField):
    """A list in JSON; in an HTML form one line, separated by commas."""

    child = Tag(max_length=tags.MAX_TAG_CHARS)

    def __init__(self, **kwargs):
        super().__init__(max_length=tags.MAX_TAGS, style={"template": "notes/tags_field.html"}, **kwargs)

    def get_value(self, dictionary):
        if html.is_html_input(dictionary) and self.field_name in dictionary:
            return tags.split(dictionary[self.field_name])
        return super().get_value(dictionary)

    def to_internal_value(self, value):
        return tags.normalize(super().to_internal_value(value))


@extend_schema_field({"type": "string", "format": "uuid"})
class NoteId(serializers.Field):
    default_error_messages = {"invalid": "Write the id as a UUID: 0190f1c2-7a3b-7c4d-8e5f-001122334455."}

    def to_internal_value(self, value):
        note_id = parsed_uuid(value)
        if note_id is None:
            self.fail("invalid")
        return note_id

    def to_representation(self, value):
        return str(value)


def parsed_uuid(text):
    """Return the UUID, or None. Python alone would also take braces, `urn:uuid:` and misplaced hyphens."""
    try:
        parsed = uuid.UUID(text)
    except (AttributeError, TypeError, ValueError):
        return None
    return parsed if str(parsed) == text.lower() else None


class StrictSerializer(serializers.Serializer):
    """Refuses by name what it does not know: silence would lose the sender's intent."""

    UNKNOWN = "There is no such field."
    READ_ONLY = "This field is set by the server. Leave it out, or send the value it has now."

    def to_internal_value(self, fields):
        errors = self.refused_names(fields) if isinstance(fields, dict) else {}
        try:
            known = super().to_internal_value(fields)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({**errors, **error.detail}) from None
        if errors:
            raise serializers.ValidationError(errors)
        return known

    def refused_names(self, fields):
        errors = {}
        for name in fields:
            if name not in self.fields and not (name == "csrfmiddlewaretoken" and html.is_html_input(fields)):
                errors[name] = [serializers.ErrorDetail(self.UNKNOWN, code="unknown_field")]
            elif name in self.fields and self.fields[name].read_only and fields[name] != self.present_value(name):
                errors[name] = [serializers.ErrorDetail(self.READ_ONLY, code="read_only")]
        return errors

    def present_value(self, name):
        return self.to_representation(self.instance)[name] if self.instance else None


class NoteSerializer(StrictSerializer):
    """A note. What only the server sets may be sent back as it was received; changed, it is refused."""

    id = NoteId(source="uuid", read_only=True, help_text="A UUID; those made here sort by time (UUIDv7).")
    title = Text(max_length=MAX_TITLE_CHARS)
    body = Text(
        default="",
        allow_blank=True,
        max_length=settings.NOTES_MAX_BODY_CHARS,
        style={"base_template": "textarea.html", "rows": 10},
        help_text="Kept byte for byte.",
    )
    tags = Tags(default=list, help_text="Trimmed, in Unicode NFC, each once whatever its case.")
    revision = serializers.IntegerField(
        read_only=True, help_text="The number of the write that last changed the note, counted within the notebook."
    )
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)

    class Meta:
        model = Note


class NewNoteSerializer(NoteSerializer):
    id = NoteId(source="uuid", required=False, help_text="A UUID made by the client; left out, the server makes one.")


class TextSerializer(StrictSerializer):
    text = Text(max_length=settings.NOTES_MAX_BODY_CHARS, help_text="Added as it is: bring your own newline.")


class ReplaceSerializer(StrictSerializer):
    find = Text(max_length=settings.NOTES_MAX_BODY_CHARS)
    replace = Text(max_length=settings.NOTES_MAX_BODY_CHARS, allow_blank=True)
    count = Count(default=1, min_value=1, help_text="How many matches you expect; another number is a 409.")


class BatchItemSerializer(serializers.Serializer):
    """One write. Apart from `op`, `id` and `if_match` it holds what the operation's own request would hold."""

    op = serializers.ChoiceField(["create", "update", "patch", "delete", "restore", "append", "prepend", "replace"])
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


class ChangeSerializer(NoteSerializer):
    """A note as it is now, or a tombstone: {"id", "revision", "deleted": true}."""

    title = Text(required=False)
    body = Text(required=False)
    tags = Tags(required=False)
    created_at = serializers.DateTimeField(required=False)
    updated_at = serializers.DateTimeField(required=False)
    deleted = serializers.BooleanField(help_text="True: the note is in the trash or was erased.")

    def to_representation(self, note):
        if note.deleted_at:
            return {"id": str(note.uuid), "revision": note.revision, "deleted": True}
        return {**NoteSerializer(note).data, "deleted": False}


class BatchResultSerializer(serializers.Serializer):
    status = serializers.IntegerField(help_text="What the write alone would have answered: 200, 201 or 204.")
    note = ChangeSerializer()


class BatchResultsSerializer(serializers.Serializer):
    results = BatchResultSerializer(many=True, help_text="One for each operation, in order.")


class TrashedNoteSerializer(NoteSerializer):
    deleted_at = serializers.DateTimeField(read_only=True)


class ChangesSerializer(serializers.Serializer):
    results = ChangeSerializer(many=True)
    revision = serializers.IntegerField(help_text="Continue with ?since= this.")
    epoch = serializers.UUIDField(help_text="Names this history; another one means: start again with since=0.")
    has_more = serializers.BooleanField()


class RevisionSerializer(serializers.ModelSerializer):
    """One write in a note's history."""

    class Meta:
        model = Revision
        fields = ["number", "action", "changed", "written_at", "writer", "writer_name", "request_id"]


class RevisionContentSerializer(RevisionSerializer):
    """One write, with the note's content after it."""

    diff = serializers.CharField(
        required=False, help_text="With ?diff=: a unified text diff from that revision to this one."
    )

    class Meta(RevisionSerializer.Meta):
        fields = [*RevisionSerializer.Meta.fields, "title", "body", "tags", "diff"]


class Moment(serializers.DateTimeField):
    """A time with its offset from UTC: a text without one means another moment in each country."""

    def to_internal_value(self, value):
        if not isinstance(value, str):
            self.fail("invalid", format=MOMENT_FORMAT)
        try:
            moment = parse_datetime(value)
            if moment is None or moment.tzinfo is None:
                self.fail("invalid", format=MOMENT_FORMAT)
            # Near the years 1 and 9999 the offset leads out of what a datetime can hold.
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail("invalid", format=MOMENT_FORMAT)


MOMENT_FORMAT = "2027-01-31T00:00:00Z"


class KeySerializer(StrictSerializer):
    id = serializers.UUIDField(read_only=True)
    name = Text(max_length=100)
    level = serializers.ChoiceField(LEVELS)
    created_at = serializers.DateTimeField(read_only=True)
    created_by = serializers.CharField(read_only=True)
    expires_at = serializers.DateTimeField(read_only=True, allow_null=True)
    last_used_at = serializers.DateTimeField(read_only=True, allow_null=True, help_text="To the minute.")


class NewKeySerializer(StrictSerializer):
    name = Text(max_length=100)
    level = serializers.ChoiceField(LEVELS)
    expires_at = Moment(default=None, allow_null=True)

    def validate_expires_at(self, expires_at):
        if expires_at and expires_at <= timezone.now():
            raise serializers.ValidationError("This time is over; choose one to come.", code="future")
        return expires_at


class NewKeyWithTextSerializer(KeySerializer):
    key = serializers.CharField(help_text="The key itself. Shown this once.")


class MeSerializer(serializers.Serializer):
    name = serializers.CharField(help_text="The key's name, or the member of staff's.", allow_null=True)
    level = serializers.ChoiceField(["public", *LEVELS])
    notebook = serializers.CharField(help_text="The notebook that this key opens.")
    expires_at = serializers.DateTimeField(allow_null=True)
