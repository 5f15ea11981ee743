"""Files become notes, chunk by chunk; importing them again writes only what has changed."""

from notes import content
from notes.door import Door
from notes.markdown import BadFile, NoteFile, TrashedFile
from notes.models import CONTENT

CREATED, UPDATED, UNCHANGED, KEPT, DELETED, FAILED = "created", "updated", "unchanged", "kept", "deleted", "failed"
SKIPPED = "skipped"
OUTCOMES = [CREATED, UPDATED, UNCHANGED, KEPT, DELETED, SKIPPED, FAILED]

# Other writers wait for one chunk at most, about a second, and memory holds only one. Larger chunks cost the search
# index less per note.
CHUNK_FILES = 2_000
CHUNK_CHARS = 5_000_000

COLUMNS = [*CONTENT, "uuid", "created_at", "updated_at"]


def import_files(notebook, by, files):
    """Write the files into the notebook, one transaction for each chunk. Yields [(file, outcome)] after each commit.

    If the rest fails or is interrupted, what has been yielded stays. Another import goes on from there.
    """
    for chunk in chunks(files):
        with Door(notebook, by) as door:
            outcomes = list(write_chunk(door, chunk))
        yield outcomes


def chunks(files):
    chunk, chars = [], 0
    for file in files:
        chunk.append(file)
        chars += len(getattr(file, "body", None) or "")
        if len(chunk) == CHUNK_FILES or chars >= CHUNK_CHARS:
            yield chunk
            chunk, chars = [], 0
    if chunk:
        yield chunk


def write_chunk(door, chunk):
    """Yield (file, outcome).

    Takes two queries, a constant number for all new notes together, and some for each edit.
    """
    notebook = door.notebook
    uuids = [file.uuid for file in chunk if isinstance(file, NoteFile)]
    notes = {note.uuid: note for note in notebook.notes.filter(uuid__among=uuids)}
    numbers = [note.revision for note in notes.values()]
    writers = dict(notebook.revisions.filter(number__among=numbers).values_list("number", "writer"))
    new = [file for file in chunk if isinstance(file, NoteFile) and file.uuid not in notes]
    if new:
        door.create_many([{name: getattr(file, name) for name in COLUMNS} for file in new])
    for file in chunk:
        if isinstance(file, BadFile):
            yield file, FAILED
            continue
        if isinstance(file, TrashedFile):
            yield file, SKIPPED
            continue
        note = notes.get(file.uuid)
        if note is None:
            yield file, CREATED
        elif note.deleted_at:
            yield file, DELETED
        elif not any(content.differs(getattr(note, name), getattr(file, name)) for name in CONTENT):
            yield file, UNCHANGED
        elif writers.get(note.revision) != door.by.id:
            # Somebody has edited the note since the last import. The file must not overwrite that.
            yield file, KEPT
        else:
            door.edit(note, **{name: getattr(file, name) for name in CONTENT})
            yield file, UPDATED
