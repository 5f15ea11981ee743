"""Notes written through the door, one write at a time, for tests that need some."""

from copy import copy

from notes.door import Door, recount_all
from notes.models import Note, Revision
from notes.search import index


def create_note(notebook, by, **columns):
    with Door(notebook, by) as door:
        return door.create(**columns)


def create_notes(notebook, by, drafts):
    with Door(notebook, by) as door:
        return door.create_many(drafts)


def create_old_note(notebook, by, **columns):
    """Return a note from before today's rules, with content that the door would refuse now."""
    note = create_note(notebook, by, title="Old")
    Note.objects.filter(pk=note.pk).update(**columns)
    Revision.objects.filter(note=note).update(**columns)
    before = copy(note)
    note.refresh_from_db()
    index.refresh([note], [before])
    recount_all(notebook)
    return note


def edit(note, by, **changes):
    with Door(note.notebook, by) as door:
        return door.edit(note, **changes)


def trash(note, by):
    with Door(note.notebook, by) as door:
        door.trash(note)


def restore(note, by):
    with Door(note.notebook, by) as door:
        return door.restore(note)


def revert(note, by, revision):
    with Door(note.notebook, by) as door:
        return door.revert(note, revision)


def purge(note, by):
    with Door(note.notebook, by) as door:
        door.purge(note)
