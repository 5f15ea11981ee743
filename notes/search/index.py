"""The index of live notes: FTS5 on SQLite, tsvector on PostgreSQL.

The door writes the index in the transaction that writes the note. `position` is the note's own: descending, it is
newest first, and both engines can stream their hits in that order.
"""

from functools import partial

from django.db import connection, transaction

from notes.search.engine import TABLE
from notes.search.postgresql import PostgreSQL
from notes.search.query import Query
from notes.search.ranking import ALL_IN_TITLE, IN_TEXT, groups
from notes.search.sqlite import SQLite

# The number of the terms that the index holds. Whoever changes them, or the words of notes/search/words.py, raises it:
# `check` then asks for rebuild_search, which brings the index of an older code to that of today.
FORMAT = 1
UNFINISHED = 0


def current_format():
    return FORMAT


def add(notes):
    """Add notes that are not in the index, as far as they are live."""
    # FTS5 writes out what it has gathered whenever a position is below the last one: so, in order.
    live = sorted((note for note in notes if note.deleted_at is None), key=lambda note: note.position)
    if live:
        with connection.cursor() as cursor:
            engine().add(cursor, live)


def refresh(notes):
    """Index the notes as they are now, whether they are in the index or not."""
    if not notes:
        return
    with connection.cursor() as cursor:
        engine().remove(cursor, notes)
    add(notes)


def clear():
    """Empty the index; make it anew where it is missing or broken."""
    execute(engine().DROP + engine().CREATE)


# A purge is answered after so long at most; `empty_trash` does the rest.
A_MOMENT = 0.05


def erase_soon():
    """Wipe out what a purge has removed from the index, as far as that is done in a moment; `erase` does the rest."""
    # The purge is done by then: that this may fail must not be told as its failure.
    transaction.on_commit(partial(erase, seconds=A_MOMENT), robust=True)


def erase(seconds=None):
    """Wipe out what was removed from the index, where the database only marks it as gone. Not in a transaction.

    SQLite: merges the index to its end, or for so long. PostgreSQL: VACUUM, which cannot be stopped half-way.
    """
    with connection.cursor() as cursor:
        engine().erase(cursor, seconds)


def execute(statements):
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def is_there():
    return TABLE in connection.introspection.table_names()


def size(notebook):
    """Return how many notes of a notebook are in the index."""
    with connection.cursor() as cursor:
        return engine()(cursor, notebook, Query()).size()


def compare(notes):
    """Return {pk: whether the index has the words that the note has now}, of those notes that are in the index."""
    with connection.cursor() as cursor:
        return engine().compare(cursor, notes)


def page(notebook, query, *, by_relevance, limit, after=None, ascending=False, within=None, between=(None, None)):
    """Return [(rank, position)]: at most `limit` hits behind the hit `after`.

    By relevance they come in groups (see `groups`), the newest first in each; otherwise in one, whose rank is 0.
    `within` is a QuerySet of notes that the hits must be among, `between` the positions (first, end) that it lies in.
    One query a group, at most six; one for `within`; PostgreSQL may need some more.
    """
    with connection.cursor() as cursor:
        search = engine()(cursor, notebook, query, ascending=ascending, within=within, between=between)
        hits, better = [], []
        for rank, conditions in groups(query) if by_relevance else [(IN_TEXT, [])]:
            if after is None or rank <= after[0]:
                beyond = after[1] if after and rank == after[0] else None
                # The better groups have all words in the title: there is no need to look for them in the text.
                terms = query.others if rank >= ALL_IN_TITLE else query.others + query.wanted
                found = search.hits(terms, conditions, better, beyond, limit - len(hits))
                hits += [(rank, position) for position in found]
                if len(hits) == limit:
                    break
            better = conditions
        return hits


def matching(notebook, query):
    """Return (SQL, params) of the condition that a note is a hit. Its cost grows with the number of all hits."""
    return engine()(None, notebook, query).among_hits()


def engine():
    return {"sqlite": SQLite, "postgresql": PostgreSQL}[connection.vendor]
