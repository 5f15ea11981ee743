"""Fields that take a value unchanged or refuse it. DRF's own fields trim, convert and guess."""

import uuid
from datetime import UTC

from django.core.validators import MaxLengthValidator
from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.validators import ProhibitSurrogateCharactersValidator

from notes import content


class NoSurrogates(ProhibitSurrogateCharactersValidator):
    """DRF's own looks at each character by itself: milliseconds for a long text."""

    def __call__(self, value):
        try:
            value.encode()
        except UnicodeEncodeError:
            super().__call__(value)


class Text(serializers.CharField):
    """Text kept as it came: DRF's own field trims it, and takes the number 123 for "123"."""

    def __init__(self, **kwargs):
        super().__init__(trim_whitespace=False, **kwargs)
        self.validators = [
            NoSurrogates() if isinstance(validator, ProhibitSurrogateCharactersValidator) else validator
            for validator in self.validators
        ]

    def to_internal_value(self, value):
        if not isinstance(value, str):
            self.fail("invalid")
        return super().to_internal_value(value)


def held_to(rule, *arguments):
    """Return what this rule of notes/content.py returns. What the rule does not allow is a 400."""
    try:
        return rule(*arguments)
    except content.NotAllowed as error:
        _, _, child = error.field.partition(".")
        detail = serializers.ErrorDetail(error.detail, error.code)
        raise serializers.ValidationError({child: [detail]} if child else [detail]) from None


class Limit(MaxLengthValidator):
    """Shows a limit in the OpenAPI document and checks nothing. notes/content.py checks it, with its exceptions."""

    def __call__(self, value):
        pass


class Count(serializers.IntegerField):
    """A whole number in JSON: DRF's own field takes "1" and 1.0 too."""

    def to_internal_value(self, value):
        if type(value) is not int:
            self.fail("invalid")
        return super().to_internal_value(value)


class Tag(Text):
    def __init__(self, **kwargs):
        super().__init__(validators=[Limit(content.MAX_TAG_CHARS)], **kwargs)

    def to_internal_value(self, value):
        return held_to(content.tag, super().to_internal_value(value))


class Tags(serializers.ListField):
    child = Tag()

    def __init__(self, **kwargs):
        style = {"template": "notes/tags_field.html"}
        super().__init__(validators=[Limit(content.MAX_TAGS)], style=style, **kwargs)

    def to_internal_value(self, value):
        return held_to(content.tags, super().to_internal_value(value))


METADATA_TEXT = {"type": "string", "maxLength": content.MAX_METADATA_TEXT_CHARS}
METADATA_VALUES = [
    METADATA_TEXT,
    {"type": "array", "items": METADATA_TEXT},
    {"type": "number"},
    {"type": "boolean"},
]


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": {"anyOf": METADATA_VALUES},
        "maxProperties": content.MAX_METADATA_NAMES,
    }
)
class Metadata(serializers.Field):
    """Names with values. Where a note is changed in part, they are merged with those it has: null removes a name."""

    def validate_empty_values(self, value):
        if value is None and self.root.partial:
            return True, {}
        return super().validate_empty_values(value)

    def to_internal_value(self, value):
        if self.root.partial and isinstance(value, dict):
            value = content.merged(self.root.instance.metadata, value)
        return held_to(content.metadata, value)

    def to_representation(self, members):
        return members


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


@extend_schema_field({"type": "string", "format": "uuid"})
class Epoch(serializers.Field):
    default_error_messages = {"invalid": "Write the epoch of an earlier answer, a UUID."}

    def to_internal_value(self, value):
        epoch = parsed_uuid(value)
        if epoch is None:
            self.fail("invalid")
        return epoch


def parsed_uuid(text):
    """Return the UUID, or None. Python alone would also take braces, `urn:uuid:` and misplaced hyphens."""
    try:
        parsed = uuid.UUID(text)
    except (AttributeError, TypeError, ValueError):
        return None
    return parsed if str(parsed) == text.lower() else None


class Moment(serializers.DateTimeField):
    """A time with its offset from UTC. Without an offset it would mean another moment in each country."""

    def __init__(self, **kwargs):
        super().__init__(style={"input_type": "text", "placeholder": MOMENT_FORMAT}, **kwargs)

    def to_internal_value(self, value):
        if not isinstance(value, str):
            self.fail("invalid", format=MOMENT_FORMAT)
        try:
            moment = parse_datetime(value)
            if moment is None or moment.tzinfo is None:
                self.fail("invalid", format=MOMENT_FORMAT)
            # Near the years 1 and 9999, the time in UTC may be outside the range of datetime.
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail("invalid", format=MOMENT_FORMAT)


MOMENT_FORMAT = "2027-01-31T00:00:00Z"
