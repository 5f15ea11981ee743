"""A notebook as a file, and back, without a loss.

The file is lines of JSON: first what it holds, then each row of the log in order, last a SHA-256 of all lines before.
"""

import hashlib
from collections import namedtuple
from datetime import UTC, datetime
from itertools import chain
from types import NoneType
from typing import NamedTuple
from uuid import UUID, uuid4

import orjson

from notes import databases
from notes.door import assign_positions, lock, recount_all
from notes.importing import chunks
from notes.models import CONTENT, Note, Notebook, Revision
from notes.search import index
from notes.verification import unwatched

FORMAT, VERSION = "notes-log", 1
# Long notes among them: memory holds no more rows at a time.
ROWS_AT_ONCE = 50
MAX_LINE_BYTES = 16_000_000
LINE = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE

# What a line says, the column that it comes from, and the types that it may have. What was erased is null. When the
# note was created, deleted and purged is told as it is now, in each of its lines.
FIELDS = {
    "number": ("number", {int}),
    "id": ("note__uuid", {str}),
    "action": ("action", {str}),
    "changed": ("changed", {list}),
    "title": ("title", {str, NoneType}),
    "body": ("body", {str, NoneType}),
    "tags": ("tags", {list, NoneType}),
    "metadata": ("metadata", {dict, NoneType}),
    "created_at": ("note__created_at", {str}),
    "updated_at": ("updated_at", {str}),
    "deleted_at": ("note__deleted_at", {str, NoneType}),
    "purged_at": ("note__purged_at", {str, NoneType}),
    "written_at": ("written_at", {str}),
    "writer": ("writer", {str}),
    "writer_name": ("writer_name", {str}),
    "request_id": ("request_id", {str}),
}
TIMES = [name for name in FIELDS if name.endswith("_at")]
COLUMNS_OF_THE_LOG = [name for name, (column, _) in FIELDS.items() if name == column]
Row = namedtuple("Row", FIELDS)


class Refused(Exception):
    """Why a file cannot be imported, in words for its owner. Nothing was written."""


class Header(NamedTuple):
    """The first line. `count` is how many rows follow: as many as the number of the last one, if none is missing."""

    format: str
    version: int
    notebook: str
    epoch: str
    revision: int
    count: int


def lines(notebook):
    """Yield the lines of the file. They are of one state of the database, however long that takes."""
    sha256 = hashlib.sha256()
    with databases.snapshot():
        notebook.refresh_from_db(fields=["name", "epoch", "revision"])
        log = notebook.revisions.order_by("number")
        header = Header(FORMAT, VERSION, notebook.name, str(notebook.epoch), notebook.revision, log.count())
        rows = log.values_list(*(column for column, _ in FIELDS.values())).iterator(chunk_size=ROWS_AT_ONCE)
        for said in chain([header._asdict()], (dict(zip(FIELDS, row)) for row in rows)):
            line = orjson.dumps(said, option=LINE)
            sha256.update(line)
            yield line
    yield orjson.dumps({"sha256": sha256.hexdigest()}, option=LINE)


def read(file):
    """Yield the Header, then a Revision with its Note for each row; raise Refused for what is wrong.

    Only whoever has read to the end knows that the file is whole.
    """
    file.seek(0)
    sha256 = hashlib.sha256()
    header = header_of(next_line(file, sha256))
    yield header
    for number in range(1, header.count + 1):
        said = next_line(file, sha256)
        if said.get("number") != number:
            raise Refused(f"Line {number + 1} is not the row with the number {number} of the log.")
        try:
            yield row_of(said)
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
            raise Refused(f"Line {number + 1} is no row of a log.") from None
    expected = {"sha256": sha256.hexdigest()}
    if next_line(file, sha256) != expected or file.read(1):
        raise Refused("The file is not as it was written: its last line is no SHA-256 of all lines before it.")


def next_line(file, sha256):
    line = file.readline(MAX_LINE_BYTES)
    if not line.endswith(b"\n"):
        raise Refused("The file ends too soon, or is none of lines.")
    sha256.update(line)
    try:
        said = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Refused(f"A line is not JSON: {error}.") from None
    if not isinstance(said, dict):
        raise Refused("A line is no JSON object.")
    return said


def header_of(said):
    if (said.get("format"), said.get("version")) != (FORMAT, VERSION):
        raise Refused(f"This is no export of a notebook in version {VERSION} of its format.")
    try:
        header = Header(**said)
        UUID(header.epoch)
    except (AttributeError, TypeError, ValueError):
        raise Refused("The first line is no header of an export.") from None
    if type(header.count) is not int or header.count != header.revision:
        raise Refused(f"Its log has {header.count} rows up to number {header.revision}: some are missing.")
    return header


def row_of(said):
    """Return the Row that a line says."""
    texts = [*(said["tags"] or ()), *said["changed"]]
    has_types = all(type(said[name]) in types for name, (_, types) in FIELDS.items())
    if not has_types or said["action"] not in Revision.ACTIONS or not all(type(text) is str for text in texts):
        raise TypeError
    said["id"] = UUID(said["id"])
    for name in TIMES:
        said[name] = said[name] and moment(said[name])
    return Row(**said)


def moment(text):
    return datetime.fromisoformat(text).astimezone(UTC)


def load(notebook, file, watched=unwatched, *, same_epoch=False):
    """Fill an empty notebook from a file, in one transaction, once all of the file has been checked.

    `watched(rows, total)` wraps each of three iterators over many rows, for a progress bar.
    """
    for _ in rows_of(file, watched):
        pass
    with lock(notebook) as (revision, *_):
        if revision:
            raise Refused("The notebook is not empty: import into a new one, which create_notebook makes.")
        for chunk in chunks(rows_of(file, watched)):
            write(notebook, chunk)
        recount_all(notebook)
        live = notebook.notes.live().order_by("position")
        for notes in chunks(watched(live.iterator(chunk_size=ROWS_AT_ONCE), total=live.count())):
            index.add(notes)
        header = next(read(file))
        epoch = header.epoch if same_epoch else uuid4()
        Notebook.objects.filter(pk=notebook.pk).update(revision=header.revision, epoch=epoch)


def rows_of(file, watched):
    rows = read(file)
    yield from watched(rows, total=next(rows).count)


def write(notebook, rows):
    """Store these rows of the log, and each of their notes as its last row says."""
    notes = {
        row.id: Note(
            notebook=notebook,
            uuid=row.id,
            title=row.title or "",
            body=row.body or "",
            tags=row.tags or [],
            metadata=row.metadata or {},
            revision=row.number,
            created_at=row.created_at,
            updated_at=row.updated_at,
            deleted_at=row.deleted_at,
            purged_at=row.purged_at,
        )
        for row in {row.id: row for row in rows}.values()
    }
    # A note that an earlier chunk has stored keeps its position.
    assign_positions(notes.values())
    Note.objects.bulk_create(
        notes.values(),
        update_conflicts=True,
        unique_fields=["notebook", "uuid"],
        update_fields=[*CONTENT, "revision", "updated_at"],
    )
    Revision.objects.bulk_create(
        Revision(
            notebook_id=notebook.pk,
            note_id=notes[row.id].pk,
            **{name: getattr(row, name) for name in COLUMNS_OF_THE_LOG},
        )
        for row in rows
    )
