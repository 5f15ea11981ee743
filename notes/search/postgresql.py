"""The search index of PostgreSQL: a GIN index of tsvectors."""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from django.db.backends.utils import CursorWrapper

from notes.search.engine import SQL, TABLE, Search
from notes.search.query import Term
from notes.search.ranking import Conditions
from notes.search.terms import NoteOfIndex, indexed, term_words


class Vector(NamedTuple):
    """What the index stores of a note: a tsvector as text, and `long_text`, its words, if their places do not fit."""

    words: str
    long_text: str | None


class Condition(NamedTuple):
    """A tsquery for the index, and SQL that checks what the index cannot tell: whether words stand side by side."""

    tsquery: str
    check: SQL


class Looked(NamedTuple):
    """The hits among the notes looked at, and the position of the last of these notes; None if no more follow."""

    hits: list[int]
    last: int | None


class PostgreSQL(Search):
    """Searches period by period.

    GIN gathers all notes with a word before it can sort them; with a second word it reads through both lists. So terms
    are split by notebook and period, e.g. `7:98:word`. A search goes from period to period until it has its hits. In a
    query `~` stands for the period's number.
    """

    POSITION = "position"
    # Keeps the planner from turning the subquery into a join.
    FENCE = " OFFSET 0"
    BODY_BYTES = "octet_length(body)"
    # PostgreSQL keeps at most 255 places of one word, and none beyond 16,383.
    MAX_PLACES_OF_ONE = 255
    MAX_PLACE = 16_383
    # A tsvector holds 1 MB. Only a text of nearly all of Unicode exceeds it; the rest is not indexed.
    MAX_BYTES = 1_000_000
    # Look through this many of the newest notes before asking the GIN index: a common word's hits are among them.
    NEWEST = 100
    # A period is 2**48 positions, which is 204 days.
    PERIOD_BITS = 48
    IN_OWN_PERIOD = f"words @@ replace(%s, '~', (position >> {PERIOD_BITS})::text)::tsquery"
    DROP = [f"DROP TABLE IF EXISTS {TABLE}"]
    CREATE = [
        f"CREATE TABLE {TABLE} (note_id bigint PRIMARY KEY, notebook_id bigint NOT NULL, position bigint NOT NULL, "
        "words tsvector STORAGE EXTERNAL NOT NULL, long_text text)",
        f"CREATE INDEX {TABLE}_words ON {TABLE} USING gin (words) WITH (fastupdate = off)",
        f"CREATE UNIQUE INDEX {TABLE}_newest ON {TABLE} (notebook_id, position)",
    ]

    @classmethod
    def row(cls, note: NoteOfIndex) -> tuple[Any, ...]:
        return note.pk, note.notebook_id, note.position, *cls.vector(note)

    @classmethod
    def add(cls, cursor: CursorWrapper, notes: Iterable[NoteOfIndex]) -> None:
        rows = [cls.row(note) for note in notes]
        insert = (
            f"INSERT INTO {TABLE} (note_id, notebook_id, position, words, long_text) "
            "VALUES (%s, %s, %s, %s::tsvector, %s)"
        )
        if len(rows) == 1:
            # The driver begins and ends a pipeline for many, which costs two more trips to the server.
            cursor.execute(insert, rows[0])
        else:
            cursor.executemany(insert, rows)

    @classmethod
    def compare(cls, cursor: CursorWrapper, notes: Iterable[NoteOfIndex]) -> dict[int, bool]:
        columns = [list(column) for column in zip(*map(cls.row, notes))]
        cursor.execute(
            "SELECT note_id, (indexed.notebook_id, indexed.position, indexed.words, indexed.long_text) "
            "IS NOT DISTINCT FROM (wanted.notebook_id, wanted.position, wanted.words::tsvector, wanted.long_text) "
            f"FROM {TABLE} AS indexed JOIN unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::text[]) "
            "AS wanted (note_id, notebook_id, position, words, long_text) USING (note_id)",
            columns,
        )
        return dict(cursor.fetchall())

    @staticmethod
    def remove(cursor: CursorWrapper, notes: Iterable[NoteOfIndex]) -> None:
        cursor.execute(f"DELETE FROM {TABLE} WHERE note_id = ANY(%s)", [[note.pk for note in notes]])

    @staticmethod
    def erase(cursor: CursorWrapper, seconds: float | None) -> None:
        if seconds is None:
            cursor.execute(f"VACUUM {TABLE}")

    @classmethod
    def vector(cls, note: NoteOfIndex) -> Vector:
        """Return what is stored of a note. A gap between title and body keeps phrases from running across.

        The title's marked words get the same places as its plain ones.
        """
        marked, title, body = indexed(note)
        marked = ["", *marked]
        places: dict[str, list[int]] = {}
        first_of_body = len(title) + 2
        for start, terms in ((len(title) - len(marked) + 1, marked), (1, title), (first_of_body, body)):
            for place, term in enumerate(terms, start):
                places.setdefault(term, []).append(place)
        prefix = f"{note.notebook_id}:{note.position >> cls.PERIOD_BITS}:"
        sizes = accumulate(len(prefix) + len(term.encode()) for term in places)
        fitting = [term for term, size in zip(places, sizes) if size <= cls.MAX_BYTES]
        is_long = (
            len(fitting) < len(places)
            or first_of_body + len(body) > cls.MAX_PLACE
            or any(len(of_one) > cls.MAX_PLACES_OF_ONE for of_one in places.values())
        )
        if is_long:
            long_text = f" {' '.join(marked + title)} \n {' '.join(body)} "
            return Vector(" ".join(f"'{prefix}{term}'" for term in fitting), long_text)
        with_places = (f":{','.join(map(str, of_one))}" if of_one[0] > 0 else "" for of_one in places.values())
        return Vector(" ".join(f"'{prefix}{term}'{at}" for term, at in zip(places, with_places)), None)

    def bounds_of(self, positions: list[int]) -> str:
        return f" AND position IN ({', '.join(map(str, positions)) or 'NULL'})"

    def hits(
        self, terms: list[Term], conditions: Conditions, excluded: Conditions, after: int | None, limit: int
    ) -> list[int]:
        tsquery, check = self.condition(terms, conditions, excluded)
        check = SQL(check.text + self.is_candidate.text, [*check.params, *self.is_candidate.params])
        found: list[int] = []
        if self.among_few or not conditions:
            count = self.FEW + 1 if self.among_few else self.NEWEST
            found, last = self.newest(tsquery, check, after, count)
            if last is not None and count // 10 <= len(found) < limit:
                # The words are so common that walking on is cheaper. Walk half as far again as it should take.
                found, last = self.newest(tsquery, check, after, 3 * count * limit // (2 * len(found)))
            if last is None or len(found) >= limit:
                return found[:limit]
            after = last
        sql, params = self.all_hits(tsquery, check, after)
        self.cursor.execute(f"{sql} LIMIT %s", [*params, limit - len(found)])
        return found + [position for (position,) in self.cursor.fetchall()]

    def newest(self, tsquery: str, check: SQL, after: int | None, count: int) -> Looked:
        """Look at the next `count` notes after `after`, one by one."""
        self.cursor.execute(
            f"SELECT position, {self.IN_OWN_PERIOD}{check.text} FROM (SELECT * FROM {TABLE} WHERE notebook_id = %s"
            f"{self.bounds_after(after)} ORDER BY position {self.direction} LIMIT %s) AS {TABLE} "
            f"ORDER BY position {self.direction}",
            (tsquery, *check.params, self.notebook.pk, count),
        )
        rows = self.cursor.fetchall()
        return Looked([position for position, is_hit in rows if is_hit], rows[-1][0] if len(rows) == count else None)

    def all_hits(self, tsquery: str, check: SQL, after: int | None = None) -> SQL:
        """Return the SELECT of the positions of all hits after `after`, period by period.

        Hits come in the order of the periods and are sorted within each: LATERAL has to be a nested loop.
        """
        notebook, bits, bounds = self.notebook.pk, self.PERIOD_BITS, self.bounds_after(after)
        if self.ascending:
            farthest, outside = "min", f"position >= number + 1 << {bits}"
        else:
            farthest, outside = "max", f"position < number << {bits}"
        # `position + 0` hides the index, which the planner would scan for a rare word.
        sql = f"""
            WITH RECURSIVE period (number) AS (
                SELECT {farthest}(position) >> {bits} FROM {TABLE} WHERE notebook_id = %s{bounds}
                UNION ALL
                SELECT (SELECT {farthest}(position) >> {bits} FROM {TABLE} WHERE notebook_id = %s AND {outside}{bounds})
                FROM period WHERE number IS NOT NULL
            )
            SELECT hit.position FROM period, LATERAL (
                SELECT position FROM (SELECT words, long_text, position + 0 AS position FROM {TABLE}) AS {TABLE}
                WHERE words @@ replace(%s, '~', number::text)::tsquery{bounds}{check.text}
                ORDER BY position {self.direction}
            ) AS hit
            """
        return SQL(sql, [notebook, notebook, tsquery, *check.params])

    def among_hits(self) -> SQL:
        # With an array the planner walks through the hits. Otherwise it would walk through the notebook for each hit.
        sql, params = self.all_hits(*self.condition(self.query.terms))
        return SQL(f"notes_note.position = ANY (ARRAY({sql}))", params)

    def size(self) -> int:
        self.cursor.execute(f"SELECT count(*) FROM {TABLE} WHERE notebook_id = %s", [self.notebook.pk])
        return self.cursor.fetchone()[0]

    def condition(
        self, terms: Sequence[Term], conditions: Sequence[list[Term]] = (), excluded: Sequence[list[Term]] = ()
    ) -> Condition:
        """Return the condition that a note meets all terms and conditions, and not all the excluded conditions."""
        wanted = [*([term] for term in terms if not term.is_negated), *conditions]
        banned = [term for term in terms if term.is_negated]
        strict = self.all_of(wanted, " <-> ") or self.quoted("")
        not_wanted = [self.phrase(term, " <-> ") for term in banned]
        if excluded:
            not_wanted.append(f"({self.all_of(excluded, ' <-> ')})")
        if not_wanted:
            strict += f" & !({' | '.join(not_wanted)})"
        has_phrase = any(len(term_words(term)) > 1 for group in (*wanted, banned, *excluded) for term in group)
        if not has_phrase:
            return Condition(strict, SQL(""))

        # Long notes have no places: the index finds those with the words, and `long_text` tells where the words stand.
        params: list[Any] = [strict]
        in_text = [self.in_long_text(group, params) for group in wanted]
        in_text += [f"NOT {self.in_long_text([term], params)}" for term in banned]
        if excluded:
            in_text.append(f"NOT ({' AND '.join(self.in_long_text(group, params) for group in excluded)})")
        words_stand_so = f"CASE WHEN long_text IS NULL THEN {self.IN_OWN_PERIOD} ELSE {' AND '.join(in_text)} END"
        return Condition(self.all_of(wanted, " & ") or self.quoted(""), SQL(f" AND {words_stand_so}", params))

    def all_of(self, groups: Sequence[list[Term]], link: str) -> str:
        return " & ".join(f"({' | '.join(self.phrase(term, link) for term in group)})" for group in groups)

    def phrase(self, term: Term, link: str) -> str:
        words = [self.quoted(word) for word in term_words(term)]
        return f"({link.join(words)}{':*' if term.is_prefix else ''})"

    def quoted(self, term: str) -> str:
        """Return the term for a tsquery. Our terms hold neither quotes nor backslashes."""
        return f"'{self.notebook.pk}:~:{term}'"

    def in_long_text(self, group: list[Term], params: list[Any]) -> str:
        for term in group:
            params.append(f" {' '.join(term_words(term))}{'' if term.is_prefix else ' '}")
        return "(" + " OR ".join("strpos(long_text, %s) > 0" for _ in group) + ")"
