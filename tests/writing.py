"""Notes written through the door, one write at a time, for tests that need some."""

from notes.door import Door


def create_note(notebook, by, **columns):
    with Door(notebook, by) as door:
        return door.create(**columns)


def create_notes(notebook, by, drafts):
    with Door(notebook, by) as door:
        return door.create_many(drafts)


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
