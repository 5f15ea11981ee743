"""Fields that take what they are given as it is, or refuse it: DRF's own trim, convert and guess."""

import uuid
from datetime import UTC

from django.conf import settings
from django.core.validators import MaxLengthValidator
from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import html

from notes import tags


class Text(serializers.CharField):
    """Text kept as it came: DRF's own field trims it, and takes the number 123 for "123"."""

    def __init__(self, **kwargs):
        super().__init__(trim_whitespace=False, **kwargs)

    def get_value(self, dictionary):
        value = super().get_value(dictionary)
        # Forms send every newline of a text area as CR LF, whatever stood there before.
        if html.is_html_input(dictionary) and isinstance(value, str):
            return value.replace("\r\n", "\n")
        return value

    def to_internal_value(self, value):
        if not isinstance(value, str):
            self.fail("invalid")
        return super().to_internal_value(value)


def longest_body(note):
    """Return how many characters a note's body may have. A note from before the limit was lowered may stay as long."""
    return max(settings.NOTES_MAX_BODY_CHARS, len(note.body) if note else 0)


class MaxBodyChars(MaxLengthValidator):
    requires_context = True

    def __init__(self):
        super().__init__(settings.NOTES_MAX_BODY_CHARS)

    def __call__(self, body, field):
        chars, limit = len(body), longest_body(field.parent.instance)
        if chars > limit:
            raise serializers.ValidationError(f"Ensure this field has no more than {limit} characters.", "max_length")


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
        # Its length counts as it will be stored: composing can make a text longer.
        return tags.normalize([name])[0]


class Tags(serializers.ListField):
    """A list in JSON; in an HTML form one line, separated by commas."""

    child = Tag(max_length=tags.MAX_TAG_CHARS)

    def __init__(self, **kwargs):
        super().__init__(max_length=tags.MAX_TAGS, style={"template": "notes/tags_field.html"}, **kwargs)

    def get_value(self, dictionary):
        if html.is_html_input(dictionary) and self.field_name in dictionary:
            line = dictionary[self.field_name]
            return tags.split(line) if isinstance(line, str) else [line]
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
