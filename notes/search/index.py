"""The index of live notes: FTS5 on SQLite, tsvector on PostgreSQL.

The door writes the index in the transaction that writes the note. The index is sorted by the note's `position`, so both
engines can stream hits in that order; descending, it is newest first.
"""

from collections.abc import Iterable
from functools import partial

from django.db import connection, transaction
from django.db.models import QuerySet

from notes.search import relevance
from notes.search.engine import EVERYWHERE, SQL, TABLE, Hit, NotebookOfIndex, PositionRange
from notes.search.postgresql import PostgreSQL
from notes.search.query import Query
from notes.search.ranking import IN_TEXT
from notes.search.sqlite import SQLite
from notes.search.terms import NoteOfIndex

# The format of the terms in the index. Raise it when you change them, or the words of notes/search/words.py: `check`
# then asks for rebuild_search, which brings an older index up to date.
FORMAT = 4
UNFINISHED = 0


def current_format() -> int:
    return FORMAT


def add(notes: Iterable[NoteOfIndex]) -> None:
    """Add notes that are not in the index. Those in the trash are skipped."""
    # Add in order: FTS5 flushes its buffer whenever a position is below the one before.
    live = sorted((note for note in notes if note.deleted_at is None), key=lambda note: note.position)
    if live:
        with connection.cursor() as cursor:
            engine().add(cursor, live)


def refresh(notes: list[NoteOfIndex], before: Iterable[NoteOfIndex] | None = None) -> None:
    """Index the notes as they are now, whether they are in the index or not.

    `before` are these notes as they were when they were indexed; without it they have not changed since.
    """
    if not notes:
        return
    with connection.cursor() as cursor:
        engine().remove(cursor, notes if before is None else before)
    add(notes)


def clear() -> None:
    """Drop the index and create an empty one, even if it is missing or broken."""
    execute(engine().DROP + engine().CREATE)


# A purge spends at most these seconds on it; `empty_trash` does the rest.
A_MOMENT = 0.05


def erase_after_commit() -> None:
    """Wipe what a purge has removed from the index, for a moment at most. A later `erase` does the rest."""
    # The purge has committed; a failure here must not look like a failed purge.
    transaction.on_commit(partial(erase, seconds=A_MOMENT), robust=True)


def erase(seconds: float | None = None) -> None:
    """Wipe from the file what was removed from the index: the database only marks it as gone. Not in a transaction.

    On SQLite this merges the whole index, or until `seconds` are over. On PostgreSQL it is a VACUUM, which cannot stop
    half-way: it runs only without a limit.
    """
    with connection.cursor() as cursor:
        engine().erase(cursor, seconds)


def execute(statements: Iterable[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def is_there() -> bool:
    return TABLE in connection.introspection.table_names()


def size(notebook: NotebookOfIndex) -> int:
    """Return how many notes of a notebook are in the index."""
    with connection.cursor() as cursor:
        return engine()(cursor, notebook, Query()).size()


def compare(notes: list[NoteOfIndex]) -> dict[int, bool]:
    """Return {pk: whether the index holds the note as it is now}. Notes that are not in the index are left out."""
    with connection.cursor() as cursor:
        return engine().compare(cursor, notes)


def page(
    notebook: NotebookOfIndex,
    query: Query,
    *,
    by_relevance: bool,
    limit: int,
    after: Hit | None = None,
    ascending: bool = False,
    candidates: QuerySet | None = None,
    position_range: PositionRange = EVERYWHERE,
) -> list[Hit]:
    """Return at most `limit` hits after the hit `after`.

    By relevance, hits come in groups (see `groups`), each newest first; otherwise in one group, whose rank is 0. Hits
    are within the range and, if candidates are given, among them. This takes one query a group, at most six, two for a
    few hits, and one for the candidates; PostgreSQL may need some more.
    """
    with connection.cursor() as cursor:
        search = engine()(
            cursor, notebook, query, ascending=ascending, candidates=candidates, position_range=position_range
        )
        if by_relevance:
            return relevance.page(search, after, limit)
        found = search.hits(query.others + query.wanted, [], [], after.position if after else None, limit)
        return [Hit(IN_TEXT, position) for position in found]


def matching(notebook: NotebookOfIndex, query: Query) -> SQL:
    """Return the condition that a note is a hit. Its cost grows with the number of all hits."""
    return engine()(None, notebook, query).among_hits()


ENGINES: dict[str, type[SQLite] | type[PostgreSQL]] = {"sqlite": SQLite, "postgresql": PostgreSQL}


def engine() -> type[SQLite] | type[PostgreSQL]:
    return ENGINES[connection.vendor]
