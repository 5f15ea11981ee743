"""Conditional requests (RFC 9110, 13): what must hold for a request to be carried out."""

import re
from dataclasses import dataclass

from django.conf import settings
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import SAFE_METHODS

from notes.api.problems import PreconditionFailed, PreconditionRequired
from notes.api.serializers import NoteSerializer, TrashedNoteSerializer

CONDITIONS = ["If-Match", "If-None-Match"]
ANY = "*"
EXAMPLE = '"41-421ea4eb"'
ENTITY_TAG = re.compile(r'[ \t]*(W/)?"([\x21\x23-\x7e\x80-\U0010ffff]*)"[ \t]*')


@dataclass(frozen=True)
class Expected:
    """What a client expects of a note: sets of entity-tags without their quotes, or ANY, or None for no condition."""

    if_match: frozenset | str | None = None
    if_none_match: frozenset | str | None = None

    @classmethod
    def of(cls, request):
        """Return the conditions of the request's headers. A malformed one is a 400 that names its header.

        A read of the browsable API's page ignores them. An ETag names the JSON or the Markdown, but a browser also
        sends it for the page at the same address: after a 304 the browser would show what it has cached of those.
        """
        if request.method in SAFE_METHODS and request.accepted_renderer.format == "api":
            return cls()
        return cls(
            entity_tags("If-Match", request.META.get("HTTP_IF_MATCH")),
            entity_tags("If-None-Match", request.META.get("HTTP_IF_NONE_MATCH")),
        )


def entity_tags(header, text):
    """Return the tags that a header lists: a set, ANY for `*`, or None without the header.

    A weak tag counts like a strong one. A proxy that compresses turns `"5"` into `W/"5"`, and its clients would never
    match otherwise.
    """
    if text is None:
        return None
    if text.strip() == ANY:
        return ANY
    tags, position = set(), 0
    while True:
        match = ENTITY_TAG.match(text, position)
        if match is None:
            raise ValidationError(
                {header: [f"Write it as an ETag in double quotes ({EXAMPLE}), a list of them, or *."]}
            )
        tags.add(match[2])
        position = match.end()
        if position == len(text):
            return frozenset(tags)
        if text[position] != ",":
            raise ValidationError({header: ["Separate ETags by commas."]})
        position += 1


def entity_tag(tag):
    return f'"{tag}"'


def tag_of_note(revision, epoch, renderer_format="json"):
    """Return the entity-tag of a note after this write, without its quotes.

    After a restore from a backup the same numbers are given again, so a number alone could match another state. The
    Markdown has a tag of its own, since other bytes may not have the same one (RFC 9110, 8.8.3.3).
    """
    return f"{revision}-{epoch.hex[:8]}{'-md' if renderer_format == 'md' else ''}"


def includes(tags, *either):
    return tags == ANY or not tags.isdisjoint(either)


def raise_412_if_changed(expected, note, epoch):
    """Refuse a write if the note is not as the client expects. `note` must be read under the notebook's lock.

    The client may have read the note as JSON or as Markdown: either tag names its state.
    """
    tag, of_markdown = tag_of_note(note.revision, epoch), tag_of_note(note.revision, epoch, "md")
    if expected.if_match is not None and not includes(expected.if_match, tag, of_markdown):
        raise_412(note, tag, "The note has changed since you read it. `current` is what it is now.")
    if expected.if_none_match is not None and includes(expected.if_none_match, tag, of_markdown):
        raise_412(note, tag, "There is such a note already. `current` is what it is now.")


def raise_428_if_unconditional(expected):
    """With NOTES_REQUIRE_IF_MATCH, refuse a write that would overwrite blindly."""
    if settings.NOTES_REQUIRE_IF_MATCH and expected.if_match is None and expected.if_none_match != ANY:
        raise PreconditionRequired


def raise_412(note, tag, detail):
    serializer_class = TrashedNoteSerializer if note.deleted_at else NoteSerializer
    raise PreconditionFailed(detail, entity_tag(tag), current=serializer_class(note).data)
