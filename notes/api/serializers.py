"""What the API shows of notes, tags and keys, and what it accepts for them."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from notes import content, models
from notes.api.fields import Count, Limit, Metadata, Moment, NoteId, Tag, Tags, Text, held_to
from notes.api.representation import FromRow
from notes.models import LEVELS, Revision, one_line
from notes.search.highlights import highlights


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
            if name not in self.fields:
                errors[name] = [serializers.ErrorDetail(self.UNKNOWN, code="unknown_field")]
            elif name in self.fields and self.fields[name].read_only and not self.is_present(name, fields[name]):
                errors[name] = [serializers.ErrorDetail(self.READ_ONLY, code="read_only")]
        return errors

    def is_present(self, name, value):
        """Tell whether the note has this value now. A value of another type is a different one."""
        if self.instance is None:
            return False
        present = self.to_representation(self.instance)[name]
        return type(value) is type(present) and value == present


SEVERAL_LINES = {"template": "notes/body_field.html", "rows": 3}


class NoteSerializer(FromRow, StrictSerializer):
    """A note. What only the server sets may be sent back as it was received; changed, it is refused."""

    id = NoteId(source="uuid", read_only=True, help_text="A UUID; those made here sort by time (UUIDv7).")
    title = Text(validators=[Limit(content.MAX_TITLE_CHARS)], help_text="With at least one visible character.")
    body = Text(
        default="",
        allow_blank=True,
        validators=[Limit(settings.NOTES_MAX_BODY_CHARS)],
        style=SEVERAL_LINES | {"rows": 10},
        help_text="Kept byte for byte.",
    )
    tags = Tags(default=list, help_text="Trimmed, in Unicode NFC, each once whatever its case.")
    metadata = Metadata(
        default=dict,
        style={"template": "notes/metadata_field.html", "rows": 5},
        help_text="Names with values: text, a list of texts, a number, true or false.",
    )
    revision = serializers.IntegerField(
        read_only=True, help_text="The number of the write that last changed the note, counted within the notebook."
    )
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)

    def validate_title(self, title):
        return held_to(content.title, title, getattr(self.instance, "title", None))

    def validate_body(self, body):
        return held_to(content.body, body, getattr(self.instance, "body", None))


# The clock of a client may run ahead of ours.
MOST_AHEAD = timedelta(days=1)


class PutNoteSerializer(NoteSerializer):
    """A note. A new one may bring its dates; of one that is there, they may be sent back as they were received."""

    created_at = Moment(required=False, help_text="For a new note: when it was made elsewhere.")
    updated_at = Moment(required=False, help_text="For a new note; not before `created_at`.")

    def validate_created_at(self, created_at):
        return not_ahead(created_at)

    def validate_updated_at(self, updated_at):
        return not_ahead(updated_at)

    def validate(self, columns):
        created_at, updated_at = columns.get("created_at"), columns.get("updated_at")
        if created_at and updated_at and updated_at < created_at:
            detail = "No note is changed before it is created."
            raise serializers.ValidationError({"updated_at": [detail]}, code="min_value")
        return columns


def not_ahead(moment):
    if moment > timezone.now() + MOST_AHEAD:
        raise serializers.ValidationError("This time is more than a day ahead.", code="max_value")
    return moment


class NewNoteSerializer(PutNoteSerializer):
    """A new note. It may bring its id, and the dates that it had elsewhere."""

    id = NoteId(source="uuid", required=False, help_text="A UUID made by the client; left out, the server makes one.")


class FragmentSerializer(serializers.Serializer):
    """A piece of a text in which a search matches. All numbers count characters from the beginning of the text."""

    start = serializers.IntegerField()
    text = serializers.CharField()
    matches = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField(), min_length=2, max_length=2),
        help_text="[start, end] of each match.",
    )


class HighlightsSerializer(serializers.Serializer):
    """Where a search matches: in the title, and in the beginning of the body."""

    title = FragmentSerializer(many=True)
    body = FragmentSerializer(many=True)


# Only the beginning of a body is searched for highlights. The limit for a page keeps that to about a second.
HIGHLIGHT_CHARS = 32_000
HIGHLIGHT_CHARS_OF_A_PAGE = 400_000


@extend_schema_serializer(component_name="ListedNote")
class ListedNoteSerializer(NoteSerializer):
    """A note in a list. With `fields` or `omit` some of its fields are not there."""

    highlights = HighlightsSerializer(required=False, help_text="With `q`: where it matches.")

    @classmethod
    def of_page(cls, page, search, only):
        """Return the notes of a page with the fields in `only`, and with the places where the search matches."""
        notes = NoteSerializer.of_rows(page.query, page.rows, only)
        if search.wanted and (only is None or "highlights" in only):
            left = HIGHLIGHT_CHARS_OF_A_PAGE
            for note, (title, body) in zip(notes, page.values("title", "body")):
                beginning = body[: min(HIGHLIGHT_CHARS, left)]
                left -= len(beginning)
                note["highlights"] = {"title": highlights(search, title), "body": highlights(search, beginning)}
        return notes


class TagSerializer(serializers.ModelSerializer):
    """A tag, and how many live notes bear it."""

    renaming_to = serializers.SerializerMethodField(help_text="What it is just being renamed to; null otherwise.")

    class Meta:
        model = models.Tag
        fields = ["name", "notes", "renaming_to"]
        extra_kwargs = {"notes": {"help_text": "How many live notes bear it."}}

    def get_renaming_to(self, tag) -> str | None:
        running = self.context["running"]
        return running.new if running and content.folded(running.old) == tag.key else None


class RenameTagSerializer(StrictSerializer):
    """Which tag to rename, and to what."""

    tag = Text(max_length=content.MAX_TAG_CHARS, help_text="The tag as it is, in any case.")
    name = Tag(help_text="What it shall be; a tag that is there already takes the notes in.")


class RenamedTagSerializer(serializers.Serializer):
    """What a tag is called now."""

    name = serializers.CharField()
    notes = serializers.IntegerField(help_text="How many notes were edited.")


class NothingSerializer(StrictSerializer):
    """For a write that takes no content."""


class TextSerializer(StrictSerializer):
    """Text to add to a body."""

    text = Text(
        max_length=settings.NOTES_MAX_BODY_CHARS,
        help_text="Added as it is: bring your own newline.",
        style=SEVERAL_LINES,
    )


class ReplaceSerializer(StrictSerializer):
    """What to look for in a body, and what to put in its place."""

    find = Text(max_length=settings.NOTES_MAX_BODY_CHARS, style=SEVERAL_LINES)
    replace = Text(max_length=settings.NOTES_MAX_BODY_CHARS, allow_blank=True, style=SEVERAL_LINES)
    count = Count(
        default=1, min_value=1, help_text="How many matches you expect, 1 if left out; another number is a 409."
    )


class ChangeSerializer(NoteSerializer):
    """A note as it is now, or a tombstone: {"id", "revision", "deleted": true}."""

    title = Text(required=False)
    body = Text(required=False)
    tags = Tags(required=False)
    metadata = Metadata(required=False)
    created_at = serializers.DateTimeField(required=False)
    updated_at = serializers.DateTimeField(required=False)
    deleted = serializers.BooleanField(help_text="True: the note is in the trash or was erased.")

    def to_representation(self, note):
        return self.change(NoteSerializer().to_representation(note), note.deleted_at)

    @classmethod
    def of_page(cls, page):
        notes = NoteSerializer.of_rows(page.query, page.rows)
        return [cls.change(note, deleted_at) for note, (deleted_at,) in zip(notes, page.values("deleted_at"))]

    @staticmethod
    def change(note, deleted_at):
        if deleted_at:
            return {"id": note["id"], "revision": note["revision"], "deleted": True}
        return {**note, "deleted": False}


class BatchResultSerializer(serializers.Serializer):
    """What one operation of a batch did."""

    status = serializers.IntegerField(help_text="What the write alone would have answered: 200, 201 or 204.")
    note = ChangeSerializer()


class BatchResultsSerializer(serializers.Serializer):
    """What a batch did."""

    results = BatchResultSerializer(many=True, help_text="One for each operation, in order.")


class TrashedNoteSerializer(NoteSerializer):
    """A note in the trash."""

    deleted_at = serializers.DateTimeField(read_only=True)


class ChangesSerializer(serializers.Serializer):
    """Notes that have changed, in the order of the writes, and how to go on."""

    results = ChangeSerializer(many=True)
    revision = serializers.IntegerField(help_text="Continue with ?since= this.")
    epoch = serializers.UUIDField(help_text="Names this history; another one means: start again with since=0.")
    has_more = serializers.BooleanField()


class RevisionSerializer(serializers.ModelSerializer):
    """One write in a note's history."""

    action = serializers.CharField(
        read_only=True, help_text="`create`, `edit`, `trash`, `restore` or `purge`; more may be added."
    )
    changed = serializers.ListField(child=serializers.CharField(), read_only=True, help_text="What the write changed.")

    class Meta:
        model = Revision
        fields = ["number", "action", "changed", "written_at", "writer", "writer_name", "request_id"]
        read_only_fields = fields


class RevisionContentSerializer(RevisionSerializer):
    """One write, with the note's content after it."""

    title = serializers.CharField(read_only=True)
    body = serializers.CharField(read_only=True)
    tags = serializers.ListField(child=serializers.CharField(), read_only=True)
    diff = serializers.CharField(
        required=False, help_text="With ?diff=: a unified text diff from that revision to this one."
    )

    metadata = Metadata(read_only=True)

    class Meta(RevisionSerializer.Meta):
        fields = [*RevisionSerializer.Meta.fields, *models.CONTENT, "diff"]


class KeySerializer(StrictSerializer):
    """An API key, without its text."""

    id = serializers.UUIDField(read_only=True)
    name = Text(max_length=100)
    level = serializers.ChoiceField(LEVELS)
    created_at = serializers.DateTimeField(read_only=True)
    created_by = serializers.CharField(read_only=True)
    expires_at = serializers.DateTimeField(read_only=True, allow_null=True)
    last_used_at = serializers.DateTimeField(read_only=True, allow_null=True, help_text="To the minute.")


class NewKeySerializer(StrictSerializer):
    """A key to make."""

    name = Text(max_length=100)
    level = serializers.ChoiceField(LEVELS)
    expires_at = Moment(default=None, allow_null=True)

    def validate_name(self, name):
        one_line(name)
        return name

    def validate_expires_at(self, expires_at):
        if expires_at and expires_at <= timezone.now():
            raise serializers.ValidationError("This time is over; choose one to come.", code="future")
        return expires_at


class NewKeyWithTextSerializer(KeySerializer):
    """A new API key, with its text."""

    key = serializers.CharField(help_text="The key itself. Shown this once.")


class MeSerializer(serializers.Serializer):
    """What a key is, and what it opens."""

    name = serializers.CharField(help_text="The key's name, or the member of staff's.", allow_null=True)
    level = serializers.ChoiceField(["public", *LEVELS])
    notebook = serializers.CharField(help_text="The notebook that this key opens.")
    epoch = serializers.UUIDField(help_text="Names its history. The ETag of a note has its first 8 digits.")
    expires_at = serializers.DateTimeField(allow_null=True)
