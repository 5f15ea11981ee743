"""The door: every write of notes goes through it, and nothing else writes them.

    with Door(notebook, by) as door:
        note = door.create(title="Plan")
        door.edit(note, body="Buy milk")

Holding a Door means holding the notebook's lock: nobody else writes in it, so what is read meanwhile is current. Each
verb stores the note under the notebook's next number and appends a row to the log. Closing moves the notebook's
counter, and updates the search index and the tags once for all writes. All of it is one transaction.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from datetime import datetime
from functools import cache
from typing import Any, Self
from uuid import UUID

import uuid_utils.compat
from django.db import connection
from django.db.models import F
from django.utils import timezone

from notes import content, databases
from notes.content import folded
from notes.models import CONTENT, Note, Notebook, Revision, Tag, Writer
from notes.prepared import Insert, Parameter, Parameters, Prepared, Update
from notes.querysets import POSITIONS_PER_MICROSECOND, RevisionQuerySet, first_position
from notes.search import index

# The statements of every write, compiled once.
COUNTERS = ["revision", "live_notes", "trashed_notes"]
notebook_pk = Parameter("pk", Notebook._meta.pk)
LOCK: Prepared[Notebook] = Prepared(
    lambda: Notebook.objects.select_for_update(no_key=True).filter(pk=notebook_pk).values_list(*COUNTERS)
)
COUNT = Update(lambda: Notebook.objects.filter(pk=notebook_pk), COUNTERS)
NEW_NOTE = Insert(Note)
positions = Parameters("positions", Note._meta.get_field("position"))
TAKEN: Prepared[Note] = Prepared(lambda: Note.objects.filter(position__among=positions).values_list("position"))


@cache
def rewrite(*columns: str) -> Update:
    """Return the UPDATE of these columns of a note that is still as it was read."""
    present = {
        "pk": Parameter("pk", Note._meta.pk),
        "notebook": Parameter("notebook", Note._meta.get_field("notebook")),
        "revision": Parameter("read_revision", Note._meta.get_field("revision")),
    }
    return Update(lambda: Note.objects.filter(**present), columns)


class NoteHasChanged(Exception):
    """The note is of another notebook, or was read before the door opened and has changed since."""


@contextmanager
def lock(notebook: Notebook) -> Iterator[tuple[int, int, int]]:
    """Hold the notebook against all other writers, in one transaction; yield its COUNTERS.

    SQLite locks the whole file (BEGIN IMMEDIATE), PostgreSQL the notebook's row.
    """
    with databases.write_transaction():
        rows = LOCK.rows(pk=notebook.pk)
        if not rows:
            raise Notebook.DoesNotExist
        yield rows[0]


class Door:
    def __init__(self, notebook: Notebook, by: Writer) -> None:
        self.notebook = notebook
        self.by = by

    def __enter__(self) -> Self:
        self._opened = self._open()
        return self._opened.__enter__()

    def __exit__(self, *error: Any) -> bool | None:
        return self._opened.__exit__(*error)

    @contextmanager
    def _open(self) -> Iterator[Self]:
        with lock(self.notebook) as (self.revision, self._live, self._trashed):
            # Notes by primary key: as they were when the door opened (None if they did not exist), and as they are now.
            self._before: dict[int, Note | None] = {}
            self._after: dict[int, Note] = {}
            yield self
            self._close()

    def create(self, **columns: Any) -> Note:
        """Return the new note. It takes the columns of a draft in `create_many`."""
        return self.create_many([columns])[0]

    def create_many(self, drafts: Iterable[dict[str, Any]]) -> list[Note]:
        """Return the new notes. A draft has the arguments of `drafted`.

        Raises NotAllowed for what a note may not hold, IntegrityError for a `uuid` that the notebook already has.
        Takes a constant number of queries, and one for each tag that is already in use.
        """
        notes = [drafted(self.notebook, self.revision + number, **draft) for number, draft in enumerate(drafts, 1)]
        assign_positions(notes)
        # One note is what most requests write; `bulk_create` builds and compiles its statement anew each time.
        if len(notes) == 1:
            NEW_NOTE.create(notes[0])
        else:
            Note.objects.bulk_create(notes)
        self._log(Revision.CREATE, notes, CONTENT)
        for note in notes:
            self._remember(None, note)
        return notes

    def edit(self, note: Note, **changes: Any) -> bool:
        """Change the given columns. If nothing would change, return False and take no number.

        Raises NotAllowed for what a note may not hold, unless this note already holds it.
        """
        return self._edit(note, content.allowed(changes, note))

    def _edit(self, note: Note, changes: dict[str, Any]) -> bool:
        changes = {name: value for name, value in changes.items() if content.differs(getattr(note, name), value)}
        if not changes:
            return False
        # If the clock was set back, `updated_at` must not go back with it.
        self._write(note, Revision.EDIT, **changes, updated_at=max(timezone.now(), note.updated_at))
        return True

    def trash(self, note: Note) -> None:
        """Move the note to the trash. Its content stays."""
        self._write(note, Revision.TRASH, deleted_at=timezone.now())

    def restore(self, note: Note) -> bool:
        """Take the note out of the trash. If it is not there, return False and take no number."""
        if note.deleted_at is None:
            return False
        self._write(note, Revision.RESTORE, deleted_at=None)
        return True

    def revert(self, note: Note, revision: Revision) -> bool:
        """Bring back the content of an old revision. If the note has it already, return False and take no number."""
        return self._edit(note, {name: getattr(revision, name) for name in CONTENT})

    def purge(self, note: Note) -> None:
        """Erase content and history for good. The row stays as a tombstone; the log still says who wrote and when."""
        now = timezone.now()
        deleted_at = note.deleted_at or now
        erased = {"title": "", "body": "", "tags": [], "metadata": {}}
        self._write(note, Revision.PURGE, **erased, deleted_at=deleted_at, purged_at=now)
        erase(note.revisions.all())

    def replace_tag(self, notes: Iterable[Note], old: str, new: str) -> int:
        """Give these notes one tag in place of another; return how many were edited.

        Each note is a write with its own number. Every 200 notes take a constant number of queries.
        """
        edited: list[Note] = []
        now = timezone.now()
        for note in notes:
            names = content.unique(new if folded(name) == folded(old) else name for name in note.tags)
            if names != note.tags:
                before = copy(note)
                edited.append(note)
                note.tags, note.updated_at = names, max(now, note.updated_at)
                note.revision = self.revision + len(edited)
                self._remember(before, note)
        Note.objects.bulk_update(edited, ["tags", "revision", "updated_at"], batch_size=200)
        self._log(Revision.EDIT, edited, ["tags"])
        return len(edited)

    def _write(self, note: Note, action: str, **columns: Any) -> None:
        before = copy(note)
        columns["revision"] = self.revision + 1
        # Compare and set: update these columns only, and only if the row is still as it was read. save() would write
        # all columns, and would insert the row again if it were gone.
        present = {"pk": note.pk, "notebook": self.notebook.pk, "read_revision": note.revision}
        if not rewrite(*columns).update(**present, **columns):
            raise NoteHasChanged
        for name, value in columns.items():
            setattr(note, name, value)
        self._log(action, [note], [name for name in CONTENT if name in columns])
        self._remember(before, note)

    def _log(self, action: str, notes: Sequence[Note], changed: list[str]) -> None:
        """Append a log row for each note as it is stored now. The row's number is the note's revision."""
        columns = {
            "action": action,
            "changed": changed,
            "written_at": timezone.now(),
            "writer": self.by.id,
            "writer_name": self.by.name,
            "request_id": self.by.request_id,
        }
        values = [Revision._meta.get_field(name).get_db_prep_save(columns[name], connection) for name in columns]
        # The database copies the content itself. To build and send it again took a third of an import's time.
        copied = ", ".join([*CONTENT, "updated_at"])
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO notes_revision "
                f"(notebook_id, number, note_id, {copied}, {', '.join(columns)}) "
                f"SELECT notebook_id, revision, id, {copied}, {', '.join(['%s'] * len(columns))} "
                "FROM notes_note WHERE notebook_id = %s AND revision > %s ORDER BY revision",
                [*values, self.notebook.pk, self.revision],
            )
        self.revision += len(notes)

    def _remember(self, before: Note | None, note: Note) -> None:
        self._before.setdefault(note.pk, before)
        self._after[note.pk] = note

    def _close(self) -> None:
        if not self._after:
            return
        before = {pk: note for pk, note in self._before.items() if note}
        for notes, one in ((before.values(), -1), (self._after.values(), 1)):
            for note in notes:
                self._live += one * (note.deleted_at is None)
                self._trashed += one * (note.deleted_at is not None and note.purged_at is None)
        COUNT.update(pk=self.notebook.pk, revision=self.revision, live_notes=self._live, trashed_notes=self._trashed)
        index.refresh([note for pk, note in self._after.items() if pk in before], before.values())
        index.add([note for pk, note in self._after.items() if pk not in before])
        recount(self.notebook, removed=before.values(), added=self._after.values())


def drafted(
    notebook: Notebook,
    revision: int,
    *,
    title: str,
    body: str = "",
    tags: Iterable[str] = (),
    metadata: dict[str, Any] | None = None,
    uuid: UUID | None = None,
    created_at: datetime | None = None,
    updated_at: datetime | None = None,
) -> Note:
    """Return a note that is not stored yet. `updated_at` is never before `created_at`, even if a file says so."""
    created_at = created_at or updated_at or timezone.now()
    return Note(
        notebook=notebook,
        revision=revision,
        **content.allowed({"title": title, "body": body, "tags": tags, "metadata": metadata or {}}),
        created_at=created_at,
        updated_at=max(created_at, updated_at or created_at),
        uuid=uuid or uuid_utils.compat.uuid7(),
    )


def assign_positions(notes: Iterable[Note]) -> None:
    """Set `position` of notes that are not stored yet: created_at in sixteenths of a microsecond.

    Notes of the same moment (a folder imported with dates alone) spread at random over an ever wider range after it.
    """
    pending, width = list(notes), POSITIONS_PER_MICROSECOND
    taken: set[int] = set()
    while pending:
        for note in pending:
            note.position = first_position(note.created_at) + random.randrange(width)
        # Look in all notebooks: on SQLite positions are the rows of the search index. No other notebook can take one
        # meanwhile, since the lock covers the whole file.
        taken.update(position for (position,) in TAKEN.rows(positions=[note.position for note in pending]))
        again = []
        for note in pending:
            if note.position in taken:
                again.append(note)
            taken.add(note.position)
        pending, width = again, width * POSITIONS_PER_MICROSECOND


def erase(revisions: RevisionQuerySet) -> int:
    """Erase the content of these revisions; return how many. They still say who did what and when."""
    return revisions.update(**dict.fromkeys(CONTENT))


def recount(notebook: Notebook, *, removed: Iterable[Note] = (), added: Iterable[Note] = ()) -> None:
    """Subtract the tags of `removed` and add those of `added`; only live notes count. Needs the notebook's lock."""
    names: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for notes, one in ((removed, -1), (added, 1)):
        for note in notes:
            if note.deleted_at is None:
                for name in note.tags:
                    names.setdefault(folded(name), name)
                    counts[folded(name)] += one
    change = {key: count for key, count in counts.items() if count}
    if not change:
        return
    known = notebook.tags.filter(key__among=change)
    missing = change.keys() - set(known.values_list("key", flat=True))
    for key, count in change.items():
        if key not in missing:
            notebook.tags.filter(key=key).update(notes=F("notes") + count)
    Tag.objects.bulk_create(Tag(notebook=notebook, key=key, name=names[key], notes=change[key]) for key in missing)
    if min(change.values()) < 0:
        known.filter(notes=0).delete()


def recount_all(notebook: Notebook) -> None:
    """Count the notes of a notebook and the tags of the live ones. Needs the notebook's lock."""
    notes = notebook.notes
    Notebook.objects.filter(pk=notebook.pk).update(
        live_notes=notes.live().count(), trashed_notes=notes.trashed().count()
    )
    notebook.tags.all().delete()
    # The related manager looks at `notebook`: without it each note would be read once more.
    recount(notebook, added=notes.live().only("notebook", "tags", "deleted_at").iterator())
