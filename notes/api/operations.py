"""The writes of the API, one function each: find the note, check what the client expects, call one verb of the door.

A request calls one of them, a batch several. All run under the notebook's lock (see `WritingView.write`). They are
called as `operation(door, note_id, fields, expected)` and return an Outcome. `@raises` names what each may raise
besides a 400, for the OpenAPI document too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from rest_framework.exceptions import ValidationError

from notes.api.fields import parsed_uuid
from notes.api.preconditions import ANY, Expected, raise_412_if_changed, raise_428_if_unconditional
from notes.api.problems import (
    IdTaken,
    MatchCount,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
    RenameRunning,
    raises,
)
from notes.api.query_params import number_in
from notes.api.serializers import (
    NewNoteSerializer,
    NoteSerializer,
    NothingSerializer,
    PutNoteSerializer,
    RenameTagSerializer,
    ReplaceSerializer,
    TextSerializer,
)
from notes.content import NotAllowed, folded, refuse_long_body
from notes.models import Note
from notes.search import index


@dataclass(frozen=True)
class Outcome:
    """What a write did: the status of its answer, and the note after the write."""

    status: int
    note: Note


def found(notebook, note_id, among="live"):
    """Return the note with this id, `among` the live, the trashed or the unpurged ones.

    Raise NotFound if there is none, or if the id is no UUID.
    """
    query, row = found_row(notebook, note_id, among)
    return query.model_of(row)


def found_row(notebook, note_id, among="live"):
    """Return (query, row) of the note with this id, as `found` does, without making a model."""
    uuid = parsed_uuid(note_id)
    rows = rows_with(notebook, uuid, among) if uuid else ()
    if not rows:
        raise NotFound("Note not found.")
    return Note.objects.with_uuid(among), rows[0]


def rows_with(notebook, uuid, among="live"):
    return Note.objects.with_uuid(among).rows(notebook=notebook.pk, uuid=uuid)


def expected_note(door, note_id, expected, among="live"):
    note = found(door.notebook, note_id, among)
    raise_412_if_changed(expected, note, door.notebook.epoch)
    return note


def valid(serializer_class, fields, note=None, *, partial=False):
    """Return what the serializer makes of these fields. Raise a ValidationError for what is wrong with them."""
    readers = idle_readers(serializer_class)
    reader = readers.pop() if readers else serializer_class()
    reader.instance, reader.partial = note, partial
    try:
        return reader.run_validation(fields)
    finally:
        reader.instance = None
        readers.append(reader)


@cache
def idle_readers(serializer_class):
    """Return the serializers of this class that no thread uses: making one takes longer than reading with it."""
    return []


@raises(IdTaken)
def create(door, note_id, fields, expected):
    return created(door, valid(NewNoteSerializer, fields))


def created(door, content):
    uuid = content.get("uuid")
    raise_409_if_taken(uuid, taken_among([uuid], door.notebook))
    return Outcome(201, door.create(**content))


def taken_among(uuids, notebook):
    """Return those of these ids that a note has, or had. None is no id."""
    wanted = [uuid for uuid in uuids if uuid]
    return set(notebook.notes.filter(uuid__in=wanted).values_list("uuid", flat=True)) if wanted else set()


def raise_409_if_taken(uuid, taken):
    if uuid in taken:
        raise IdTaken(f"There is, or was, a note with the id {uuid}.")


@raises(NotFound, IdTaken, PreconditionFailed, PreconditionRequired)
def update(door, note_id, fields, expected, *, body_alone=False):
    """Replace the note. With `body_alone`, a note that is there keeps all but its body."""
    raise_428_if_unconditional(expected)
    uuid = parsed_uuid(note_id)
    if expected == Expected(if_none_match=ANY) and uuid and not rows_with(door.notebook, uuid):
        return created(door, {**valid(PutNoteSerializer, fields, Note(uuid=uuid)), "uuid": uuid})
    note = expected_note(door, note_id, expected)
    if body_alone:
        # An empty body reaches no parser.
        fields = {"body": fields.get("body", "")}
    door.edit(note, **valid(NoteSerializer, fields, note, partial=body_alone))
    return Outcome(200, note)


@raises(NotFound, PreconditionFailed, PreconditionRequired)
def patch(door, note_id, fields, expected):
    raise_428_if_unconditional(expected)
    note = expected_note(door, note_id, expected)
    door.edit(note, **valid(NoteSerializer, fields, note, partial=True))
    return Outcome(200, note)


@raises(NotFound, PreconditionFailed, PreconditionRequired)
def delete(door, note_id, fields, expected):
    raise_428_if_unconditional(expected)
    note = expected_note(door, note_id, expected)
    valid(NothingSerializer, fields)
    door.trash(note)
    return Outcome(204, note)


@raises(NotFound, PreconditionFailed)
def restore(door, note_id, fields, expected):
    note = expected_note(door, note_id, expected, among="unpurged")
    valid(NothingSerializer, fields)
    door.restore(note)
    return Outcome(200, note)


@raises(NotFound, PreconditionFailed, PreconditionRequired)
def purge(door, note_id, fields, expected):
    raise_428_if_unconditional(expected)
    note = expected_note(door, note_id, expected, among="trashed")
    valid(NothingSerializer, fields)
    door.purge(note)
    index.erase_after_commit()
    return Outcome(204, note)


@raises(NotFound, PreconditionFailed)
def append(door, note_id, fields, expected):
    note = expected_note(door, note_id, expected)
    return with_body(door, note, note.body + valid(TextSerializer, fields)["text"])


@raises(NotFound, PreconditionFailed)
def prepend(door, note_id, fields, expected):
    note = expected_note(door, note_id, expected)
    return with_body(door, note, valid(TextSerializer, fields)["text"] + note.body)


@raises(NotFound, MatchCount, PreconditionFailed)
def replace(door, note_id, fields, expected):
    note = expected_note(door, note_id, expected)
    wanted = valid(ReplaceSerializer, fields)
    matches = note.body.count(wanted["find"])
    if matches != wanted["count"]:
        raise MatchCount(
            f"The text to find stands {matches} times in the body, not {wanted['count']} times. Nothing was changed."
        )
    # Check before the new text is made: a hundred thousand matches of one letter could become gigabytes.
    raise_400_if_too_long(len(note.body) + matches * (len(wanted["replace"]) - len(wanted["find"])), note)
    return with_body(door, note, note.body.replace(wanted["find"], wanted["replace"]))


def found_revision(revisions, number):
    """Return the one of these revisions with this number, a text of digits. Raise NotFound if there is none."""
    number = number_in(number)
    revision = revisions.filter(number=number).first() if number else None
    if revision is None:
        raise NotFound("Revision not found.")
    return revision


@raises(NotFound, PreconditionFailed, PreconditionRequired)
def restore_revision(door, note_id, fields, expected, *, number):
    raise_428_if_unconditional(expected)
    note = expected_note(door, note_id, expected)
    valid(NothingSerializer, fields)
    revision = found_revision(note.revisions.kept(), number)
    door.revert(note, revision)
    return Outcome(200, note)


def with_body(door, note, body):
    raise_400_if_too_long(len(body), note)
    door.edit(note, body=body)
    return Outcome(200, note)


@raises(NotFound, RenameRunning)
def rename_tag(door, note_id, fields, expected):
    """Return the TagRename to carry out. That happens after this transaction, in transactions of its own."""
    wanted = valid(RenameTagSerializer, fields)
    old, new, by = wanted["tag"], wanted["name"], door.by
    running = door.notebook.tag_renames.running().first()
    if running:
        if (folded(running.old), running.new) != (folded(old), new):
            raise RenameRunning(
                f"The tag {running.old!r} is being renamed to {running.new!r}. Try again when that is done."
            )
        return running
    if not door.notebook.tags.filter(key=folded(old)).exists():
        raise NotFound("Tag not found.")
    return door.notebook.tag_renames.create(
        old=old, new=new, writer=by.id, writer_name=by.name, request_id=by.request_id
    )


def raise_400_if_too_long(chars, note):
    try:
        refuse_long_body(chars, note.body)
    except NotAllowed as error:
        raise ValidationError({error.field: [error.detail]}) from None


class BatchWrite(NamedTuple):
    """A write that a batch may hold: its operation, and the OpenAPI component of its content, if it takes any."""

    operation: Callable
    content: str | None


# The key is the "op" of a batch item.
BATCH = {
    "create": BatchWrite(create, "NewNoteRequest"),
    "update": BatchWrite(update, "PutNoteRequest"),
    "patch": BatchWrite(patch, "PatchedNoteRequest"),
    "delete": BatchWrite(delete, None),
    "restore": BatchWrite(restore, None),
    "append": BatchWrite(append, "TextRequest"),
    "prepend": BatchWrite(prepend, "TextRequest"),
    "replace": BatchWrite(replace, "ReplaceRequest"),
}
