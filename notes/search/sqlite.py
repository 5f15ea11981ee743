"""The search index of SQLite: FTS5."""

import math
import sqlite3
import time
from collections.abc import Iterable, Sequence
from functools import cached_property
from hashlib import blake2b

from django.db.backends.utils import CursorWrapper

from notes import databases
from notes.search.engine import SQL, TABLE, Search
from notes.search.query import Term
from notes.search.ranking import Conditions
from notes.search.terms import NoteOfIndex, indexed, term_words
from notes.search.words import MIN_PREFIX_CHARS


class SQLite(Search):
    POSITION = "rowid"
    FENCE = ""
    BODY_BYTES = "length(CAST(body AS blob))"
    MATCHING = f"FROM {TABLE} WHERE {TABLE} MATCH %s"
    # Up to this many words replace a prefix: FTS5's own prefix search gathers all hits before it sorts them.
    MAX_EXPANSION = 64
    DIGESTS = f"{TABLE}_digests"
    # In place of a digest: the index has words of the note that nobody knows.
    UNKNOWN = b""
    DROP = [f"DROP TABLE IF EXISTS {name}" for name in (f"{TABLE}_words", TABLE, DIGESTS)]
    CREATE = [
        # `ascii` leaves all other characters alone: only our code folds them.
        f"CREATE VIRTUAL TABLE {TABLE} USING fts5(terms, content='', columnsize=0, prefix='2', "
        "tokenize=\"ascii tokenchars '_+#=!@~'\")",
        f"CREATE VIRTUAL TABLE {TABLE}_words USING fts5vocab({TABLE}, row)",
        # FTS5 keeps no copy of the terms. So this tells which notes are in the index, and with which terms.
        f"CREATE TABLE {DIGESTS} (position integer PRIMARY KEY, digest blob NOT NULL)",
    ]
    if sqlite3.sqlite_version_info >= (3, 42):
        CREATE.append(f"INSERT INTO {TABLE} ({TABLE}, rank) VALUES ('secure-delete', 1)")
    # Some milliseconds of work: other writers wait no longer than that.
    PAGES_OF_A_MERGE = 64

    @staticmethod
    def row(note: NoteOfIndex) -> tuple[int, str]:
        """Return position and terms of a note. The notebook's term keeps phrases from running into the body.

        A column of its own for the body would cost a byte for each of its words.
        """
        marked, title, body = indexed(note)
        return note.position, " ".join([*marked, *title, notebook_term(note.notebook_id), *body])

    @classmethod
    def add(cls, cursor: CursorWrapper, notes: Iterable[NoteOfIndex]) -> None:
        rows = [cls.row(note) for note in notes]
        cursor.executemany(f"INSERT INTO {TABLE} (rowid, terms) VALUES (%s, %s)", rows)
        cursor.executemany(
            # A note that is there has unknown words, and keeps them.
            f"INSERT INTO {cls.DIGESTS} (position, digest) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            [(position, digest(terms)) for position, terms in rows],
        )

    @classmethod
    def compare(cls, cursor: CursorWrapper, notes: Iterable[NoteOfIndex]) -> dict[int, bool]:
        notes = list(notes)
        each = ", ".join(str(note.position) for note in notes) or "NULL"
        cursor.execute(f"SELECT position, digest FROM {cls.DIGESTS} WHERE position IN ({each})")
        digests = dict(cursor.fetchall())
        return {
            note.pk: digests[note.position] == digest(cls.row(note)[1]) for note in notes if note.position in digests
        }

    @classmethod
    def remove(cls, cursor: CursorWrapper, notes: Iterable[NoteOfIndex]) -> None:
        """Remove notes, which are as they were when they were indexed.

        FTS5 must be told the very terms that it has: other ones would leave words behind, unseen. So a note that has
        changed past the door stays, marked as unknown. `compare` then finds it, and rebuild_search mends it.
        """
        rows = dict(cls.row(note) for note in notes if note.deleted_at is None)
        each = ", ".join(map(str, rows)) or "NULL"
        cursor.execute(f"DELETE FROM {cls.DIGESTS} WHERE position IN ({each}) RETURNING position, digest")
        digests = dict(cursor.fetchall())
        known = [row for row in rows.items() if digests.get(row[0]) == digest(row[1])]
        if known:
            cursor.executemany(f"INSERT INTO {TABLE} ({TABLE}, rowid, terms) VALUES ('delete', %s, %s)", known)
        if unknown := digests.keys() - dict(known).keys():
            insert = f"INSERT INTO {cls.DIGESTS} (position, digest) VALUES (%s, %s)"
            cursor.executemany(insert, [(position, cls.UNKNOWN) for position in unknown])

    @classmethod
    def erase(cls, cursor: CursorWrapper, seconds: float | None) -> None:
        """Merge the whole index: its older parts hold what was deleted. From SQLite 3.42 on, deleting wipes at once."""
        deadline = time.monotonic() + (math.inf if seconds is None else seconds)
        while time.monotonic() < deadline:
            before = total_changes(cursor)
            with databases.giving_way():
                cursor.execute(f"INSERT INTO {TABLE} ({TABLE}, rank) VALUES ('merge', -{cls.PAGES_OF_A_MERGE})")
            if total_changes(cursor) - before < 2:
                break
        # This fails while somebody reads, such as a backup. The next call does it then.
        with databases.without_waiting():
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def bounds_of(self, positions: list[int]) -> str:
        # The plus keeps SQLite from asking the index once for each position.
        each = ", ".join(map(str, positions)) or "NULL"
        return f" AND rowid BETWEEN {min(positions, default=0)} AND {max(positions, default=0)} AND +rowid IN ({each})"

    def hits(
        self, terms: list[Term], conditions: Conditions, excluded: Conditions, after: int | None, limit: int
    ) -> list[int]:
        self.cursor.execute(
            f"SELECT rowid {self.MATCHING}{self.bounds_after(after)}{self.is_candidate.text} "
            f"ORDER BY rowid {self.direction} LIMIT %s",
            (self.expression(terms, conditions, excluded), *self.is_candidate.params, limit),
        )
        return [position for (position,) in self.cursor.fetchall()]

    def among_hits(self) -> SQL:
        return SQL(f"notes_note.position IN (SELECT rowid {self.MATCHING})", [self.expression(self.query.terms)])

    def size(self) -> int:
        self.cursor.execute(f"SELECT count(*) {self.MATCHING}", [self.expression(self.query.terms)])
        return self.cursor.fetchone()[0]

    def expression(
        self, terms: Sequence[Term], conditions: Sequence[list[Term]] = (), excluded: Sequence[list[Term]] = ()
    ) -> str:
        """Return the text for MATCH: all terms and conditions in this notebook, and not all the excluded conditions.

        Our terms hold neither quotes nor spaces. Quoted, they are never FTS5's syntax.
        """
        wanted = [f'"{notebook_term(self.notebook.pk)}"']
        wanted += [self.phrase(term) for term in terms if not term.is_negated]
        wanted += [self.any_of(alternatives) for alternatives in conditions]
        banned = [self.phrase(term) for term in terms if term.is_negated]
        if excluded:
            banned.append("(" + " AND ".join(self.any_of(alternatives) for alternatives in excluded) + ")")
        expression = "(" + " AND ".join(wanted) + ")"
        return f"{expression} NOT ({' OR '.join(banned)})" if banned else expression

    def any_of(self, alternatives: list[Term]) -> str:
        return "(" + " OR ".join(self.phrase(term) for term in alternatives) + ")"

    def phrase(self, term: Term) -> str:
        words = term_words(term)
        if not term.is_prefix:
            return f'"{" ".join(words)}"'
        if self.expansion is None:
            return f'("{" ".join(words)}" *)'
        mark = "=" if words[-1].startswith("=") else ""
        phrases = [" ".join([*words[:-1], mark + word]) for word in self.expansion]
        return "(" + " OR ".join(f'"{phrase}"' for phrase in phrases) + ")"

    @cached_property
    def expansion(self) -> list[str] | None:
        """All words that begin with the search's last one. None if they are too many, or in the prefix index."""
        [prefix] = [term.words[-1] for term in self.query.wanted if term.is_prefix]
        if len(prefix) <= MIN_PREFIX_CHARS or self.cursor is None:
            return None
        # Skip the prefix itself: counting a common word is slow.
        self.cursor.execute(
            f"SELECT term FROM {TABLE}_words WHERE term >= %s AND term < %s LIMIT %s",
            (prefix + "\x01", prefix + "\U0010ffff", self.MAX_EXPANSION),
        )
        longer = [word for (word,) in self.cursor.fetchall()]
        return None if len(longer) == self.MAX_EXPANSION else [prefix, *longer]


def notebook_term(notebook_id: int) -> str:
    return f"~{notebook_id}"


def digest(terms: str) -> bytes:
    return blake2b(terms.encode("utf-8", "replace"), digest_size=8).digest()


def total_changes(cursor: CursorWrapper) -> int:
    cursor.execute("SELECT total_changes()")
    return cursor.fetchone()[0]
