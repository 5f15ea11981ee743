"""Checks that log, notes, trash, counters, tags and search index of a notebook agree. For operators and tests."""

import hashlib
from collections import Counter
from itertools import islice

import orjson
from django.db.models import Count, F, Max, Min, Q

from notes import content, databases
from notes.content import folded
from notes.door import COUNTERS
from notes.models import CONTENT, Revision
from notes.search import index

ACTIONS_THAT_LEAVE_IT_DELETED = {Revision.TRASH, Revision.PURGE}
NOTES_AT_ONCE = 100


CONTENT_COLUMNS = ["uuid", "revision", "created_at", "updated_at", "deleted_at", "purged_at", *CONTENT]


def unwatched(rows, total):
    return rows


def summary(notebook):
    """Say how many notes a notebook has, and give a SHA-256 of them: equal for equal notes, on both databases."""
    with databases.snapshot():
        live, trash = notebook.notes.live().count(), notebook.notes.trashed().count()
        sha256 = hashlib.sha256()
        for columns in notebook.notes.order_by("revision").values_list(*CONTENT_COLUMNS).iterator(chunk_size=500):
            sha256.update(orjson.dumps(columns))
    return f"{live} notes, {trash} in the trash, content {sha256.hexdigest()}"


def problems(notebook, watched=unwatched):
    """Yield a sentence for each disagreement. Reads one state of the database, so others may write meanwhile.

    The caller cannot write until the generator is exhausted. `watched(rows, total)` wraps each of two iterators over
    many notes, for a progress bar.
    """
    with databases.snapshot():
        notebook.refresh_from_db(fields=COUNTERS)
        yield from counter_problems(notebook)
        last_write = notebook.notes.annotate(last=Max("revisions__number"))
        for note in last_write.filter(Q(last=None) | ~Q(last=F("revision"))):
            yield f"Note {note.uuid} is at revision {note.revision}, its last row in the log is {note.last}."
        present = notebook.revisions.filter(number=F("note__revision")).select_related("note")
        for revision in watched(present.iterator(chunk_size=500), total=notebook.notes.count()):
            yield from note_problems(revision.note, revision)
        for revision in notebook.revisions.unerased().exclude(note__purged_at=None).select_related("note"):
            yield f"Revision {revision.number} still has content of note {revision.note.uuid}, which was purged."
        for revision in notebook.revisions.exclude(note__notebook=notebook):
            yield f"Revision {revision.number} belongs to a note of another notebook."
        yield from receipt_problems(notebook)
        yield from index_problems(notebook, watched)
        yield from tag_problems(notebook)


def counter_problems(notebook):
    log = notebook.revisions.aggregate(rows=Count("pk"), first=Min("number"), last=Max("number"))
    if notebook.revision != (log["last"] or 0):
        yield f"The counter is at {notebook.revision}, the last number in the log is {log['last']}."
    # Numbers are unique. If they start at 1 and there are as many rows as the last number, none is missing.
    if log["rows"] != (log["last"] or 0) or log["first"] not in {1, None}:
        yield f"The log has {log['rows']} rows, from number {log['first']} to {log['last']}."
    for kind, counter in (("live", notebook.live_notes), ("trashed", notebook.trashed_notes)):
        counted = getattr(notebook.notes, kind)().count()
        if counted != counter:
            yield f"It has {counted} {kind} notes, but {counter} are counted; rebuild_search --counts mends that."


def note_problems(note, last_write):
    """Yield each way in which a note differs from its last row in the log."""
    if note.purged_at:
        if any(getattr(note, name) for name in CONTENT):
            yield f"Note {note.uuid} was purged and still has content."
    elif last_write.body is None:
        yield f"Revision {last_write.number} is the present of note {note.uuid} and has no content."
    else:
        for name in [*CONTENT, "updated_at"]:
            if content.differs(getattr(note, name), getattr(last_write, name)):
                yield f"Note {note.uuid} has another {name} than its revision {note.revision}."
    if bool(note.purged_at) != (last_write.action == Revision.PURGE):
        what = "purged" if note.purged_at else "not purged"
        yield f"Note {note.uuid} is {what}; its last write was: {last_write.action}."
    if bool(note.deleted_at) != (last_write.action in ACTIONS_THAT_LEAVE_IT_DELETED):
        where = "in" if note.deleted_at else "not in"
        yield f"Note {note.uuid} is {where} the trash; its last write was: {last_write.action}."


def receipt_problems(notebook):
    """Yield receipts that name a number beyond the end of the log. Within the log no number is missing."""
    for receipt in notebook.receipts.iterator(chunk_size=500):
        # The receipt of a renamed tag has no numbers.
        numbers = [number for _, number in receipt.outcomes] if isinstance(receipt.outcomes, list) else []
        if any(not 0 < number <= notebook.revision for number in numbers):
            yield f"The receipt of {receipt.writer} for {receipt.key!r} names a write that is not in the log."


def index_problems(notebook, watched):
    live = notebook.notes.live()
    notes = iter(watched(live.iterator(chunk_size=NOTES_AT_ONCE), total=live.count()))
    missing = different = 0
    indexed = index.size(notebook)
    while some := list(islice(notes, NOTES_AT_ONCE)):
        compared = index.compare(some)
        missing += len(some) - len(compared)
        different += sum(not is_the_same for is_the_same in compared.values())
        indexed -= len(compared)
    if missing:
        yield f"{missing} live notes are missing in the search index; rebuild_search puts them there."
    if different:
        yield f"{different} notes have other words in the search index than their own; rebuild_search mends that."
    if indexed > 0:
        yield f"The search index has {indexed} notes that are not live; rebuild_search takes them out."


def tag_problems(notebook):
    counted = Counter(folded(name) for tags in notebook.notes.live().values_list("tags", flat=True) for name in tags)
    stored = Counter(dict(notebook.tags.values_list("key", "notes")))
    for name in sorted(counted.keys() | stored.keys()):
        if counted[name] != stored[name]:
            yield f"The tag {name!r} is on {counted[name]} live notes, but counted as {stored[name]}."
