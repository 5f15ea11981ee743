"""The index of live notes: FTS5 on SQLite, tsvector on PostgreSQL.

The door writes the index in the transaction that writes the note. `position` is the note's own: descending, it is
newest first, and both engines can stream their hits in that order.
"""

from collections.abc import Iterable
from functools import partial

from django.db import connection, transaction
from django.db.models import QuerySet

from notes.search.engine import EVERYWHERE, SQL, TABLE, Hit, NotebookOfIndex, PositionRange
from notes.search.postgresql import PostgreSQL
from notes.search.query import Query
from notes.search.ranking import ALL_IN_TITLE, IN_TEXT, Conditions, Group, groups
from notes.search.sqlite import SQLite
from notes.search.terms import NoteOfIndex

# The number of the terms that the index holds. Whoever changes them, or the words of notes/search/words.py, raises it:
# `check` then asks for rebuild_search, which brings the index of an older code to that of today.
FORMAT = 1
UNFINISHED = 0


def current_format() -> int:
    return FORMAT


def add(notes: Iterable[NoteOfIndex]) -> None:
    """Add notes that are not in the index, as far as they are live."""
    # FTS5 writes out what it has gathered whenever a position is below the last one: so, in order.
    live = sorted((note for note in notes if note.deleted_at is None), key=lambda note: note.position)
    if live:
        with connection.cursor() as cursor:
            engine().add(cursor, live)


def refresh(notes: list[NoteOfIndex]) -> None:
    """Index the notes as they are now, whether they are in the index or not."""
    if not notes:
        return
    with connection.cursor() as cursor:
        engine().remove(cursor, notes)
    add(notes)


def clear() -> None:
    """Empty the index; make it anew where it is missing or broken."""
    execute(engine().DROP + engine().CREATE)


# A purge is answered after so long at most; `empty_trash` does the rest.
A_MOMENT = 0.05


def erase_after_commit() -> None:
    """Wipe out what a purge has removed from the index, as far as that is done in a moment; `erase` does the rest."""
    # The purge has committed; a failure here must not look like a failed purge.
    transaction.on_commit(partial(erase, seconds=A_MOMENT), robust=True)


def erase(seconds: float | None = None) -> None:
    """Wipe out what was removed from the index, where the database only marks it as gone. Not in a transaction.

    SQLite: merges the index to its end, or for so long. PostgreSQL: VACUUM, which cannot be stopped half-way.
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
    """Return {pk: whether the index has the words that the note has now}, of those notes that are in the index."""
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
    """Return at most `limit` hits behind the hit `after`.

    By relevance they come in groups (see `groups`), the newest first in each; otherwise in one, whose rank is 0. Hits
    are among the candidates, if any are given, and within the range. One query a group, at most six, and one for the
    candidates; PostgreSQL may need some more.
    """
    with connection.cursor() as cursor:
        search = engine()(
            cursor, notebook, query, ascending=ascending, candidates=candidates, position_range=position_range
        )
        hits: list[Hit] = []
        excluded: Conditions = []
        for rank, conditions in groups(query) if by_relevance else [Group(IN_TEXT, [])]:
            if after is None or rank <= after.rank:
                position = after.position if after and rank == after.rank else None
                # The better groups have all words in the title: there is no need to look for them in the text.
                terms = query.others if rank >= ALL_IN_TITLE else query.others + query.wanted
                found = search.hits(terms, conditions, excluded, position, limit - len(hits))
                hits += [Hit(rank, position) for position in found]
                if len(hits) == limit:
                    break
            excluded = conditions
        return hits


def matching(notebook: NotebookOfIndex, query: Query) -> SQL:
    """Return the condition that a note is a hit. Its cost grows with the number of all hits."""
    return engine()(None, notebook, query).among_hits()


ENGINES: dict[str, type[SQLite] | type[PostgreSQL]] = {"sqlite": SQLite, "postgresql": PostgreSQL}


def engine() -> type[SQLite] | type[PostgreSQL]:
    return ENGINES[connection.vendor]
