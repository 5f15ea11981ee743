"""The search index of PostgreSQL: a GIN index of tsvectors."""

from itertools import accumulate

from notes.search.engine import TABLE, Search
from notes.search.terms import indexed, term_words


class PostgreSQL(Search):
    """GIN gathers all notes with a word before it can sort them; with a second word it reads through both lists.

    So a word is not one and the same term for all time: each term begins with the notebook and the period of its note,
    as in `7:98:word`, and a search goes from period to period until it has its hits. In a query `~` is the period's
    number.
    """

    POSITION = "position"
    # Keeps the planner from making a join of it.
    FENCE = " OFFSET 0"
    # PostgreSQL keeps no more places of words than these, of one word and in all.
    MAX_PLACES_OF_ONE = 255
    MAX_PLACE = 16_383
    # A tsvector takes a megabyte. Only a list of all the characters there are comes near; its end is not found.
    MAX_BYTES = 1_000_000
    # This many of the newest notes are looked through before the GIN index is asked: a common word's hits are there.
    NEWEST = 100
    # So many bits of a position are 204 days.
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
    def row(cls, note):
        return note.pk, note.notebook_id, note.position, *cls.vector(note)

    @classmethod
    def add(cls, cursor, notes):
        cursor.executemany(
            f"INSERT INTO {TABLE} (note_id, notebook_id, position, words, long_text) "
            "VALUES (%s, %s, %s, %s::tsvector, %s)",
            map(cls.row, notes),
        )

    @classmethod
    def compare(cls, cursor, notes):
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
    def remove(cursor, notes):
        cursor.execute(f"DELETE FROM {TABLE} WHERE note_id = ANY(%s)", [[note.pk for note in notes]])

    @staticmethod
    def erase(cursor, seconds):
        if seconds is None:
            cursor.execute(f"VACUUM {TABLE}")

    @classmethod
    def vector(cls, note):
        """Return (text of a tsvector, None), or with the words as long text where the places would not fit.

        Title and body get places of their own with a gap between them, so that no phrase runs from one into the other;
        the title's marked words get the title's places again.
        """
        marked, title, body = indexed(note)
        marked = ["", *marked]
        places = {}
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
            return " ".join(f"'{prefix}{term}'" for term in fitting), long_text
        with_places = (f":{','.join(map(str, of_one))}" if of_one[0] > 0 else "" for of_one in places.values())
        return " ".join(f"'{prefix}{term}'{at}" for term, at in zip(places, with_places)), None

    def bounds_of(self, positions):
        return f" AND position IN ({', '.join(map(str, positions)) or 'NULL'})"

    def hits(self, terms, conditions, better, beyond, limit):
        query, more, params = self.condition(terms, conditions, better)
        more, params = more + self.within, [*params, *self.within_params]
        found = []
        if self.among_few or not conditions:
            count = self.FEW + 1 if self.among_few else self.NEWEST
            found, last = self.newest(query, more, params, beyond, count)
            if last is not None and count // 10 <= len(found) < limit:
                # So common that to walk on is cheaper: half as far again as it should take.
                found, last = self.newest(query, more, params, beyond, 3 * count * limit // (2 * len(found)))
            if last is None or len(found) >= limit:
                return found[:limit]
            beyond = last
        sql, params = self.all_hits(query, more, params, beyond)
        self.cursor.execute(f"{sql} LIMIT %s", [*params, limit - len(found)])
        return found + [position for (position,) in self.cursor.fetchall()]

    def newest(self, query, more, params, beyond, count):
        """Return (hits among so many notes behind this one, the last of these notes; None when they are all)."""
        self.cursor.execute(
            f"SELECT position, {self.IN_OWN_PERIOD}{more} FROM (SELECT * FROM {TABLE} WHERE notebook_id = %s"
            f"{self.behind(beyond)} ORDER BY position {self.direction} LIMIT %s) AS {TABLE} "
            f"ORDER BY position {self.direction}",
            (query, *params, self.notebook.pk, count),
        )
        rows = self.cursor.fetchall()
        return [position for position, is_hit in rows if is_hit], rows[-1][0] if len(rows) == count else None

    def all_hits(self, query, more, params, beyond=None):
        """Return (SQL, params) for the positions of all hits behind this one, period by period.

        Their order is that of the periods, and in each that of its hits: a nested loop, as LATERAL must be.
        """
        notebook, bits, behind = self.notebook.pk, self.PERIOD_BITS, self.behind(beyond)
        if self.ascending:
            farthest, outside = "min", f"position >= number + 1 << {bits}"
        else:
            farthest, outside = "max", f"position < number << {bits}"
        # The sum keeps the planner from walking through the notebook from its newest note in search of a rare word.
        sql = f"""
            WITH RECURSIVE period (number) AS (
                SELECT {farthest}(position) >> {bits} FROM {TABLE} WHERE notebook_id = %s{behind}
                UNION ALL
                SELECT (SELECT {farthest}(position) >> {bits} FROM {TABLE} WHERE notebook_id = %s AND {outside}{behind})
                FROM period WHERE number IS NOT NULL
            )
            SELECT hit.position FROM period, LATERAL (
                SELECT position FROM (SELECT words, long_text, position + 0 AS position FROM {TABLE}) AS {TABLE}
                WHERE words @@ replace(%s, '~', number::text)::tsquery{behind}{more}
                ORDER BY position {self.direction}
            ) AS hit
            """
        return sql, [notebook, notebook, query, *params]

    def among_hits(self):
        # As an array, so that the planner walks through the hits and not, for each of them, through the notebook.
        sql, params = self.all_hits(*self.condition(self.query.terms))
        return f"notes_note.position = ANY (ARRAY({sql}))", params

    def size(self):
        self.cursor.execute(f"SELECT count(*) FROM {TABLE} WHERE notebook_id = %s", [self.notebook.pk])
        return self.cursor.fetchone()[0]

    def condition(self, terms, conditions=(), better=()):
        """Return (tsquery, SQL, params): all terms and conditions, and not in the better group.

        The SQL is what the index cannot tell: whether the words of a phrase stand side by side.
        """
        wanted = [*([term] for term in terms if not term.is_negated), *conditions]
        banned = [term for term in terms if term.is_negated]
        strict = self.all_of(wanted, " <-> ") or self.quoted("")
        not_wanted = [self.one(term, " <-> ") for term in banned]
        if better:
            not_wanted.append(f"({self.all_of(better, ' <-> ')})")
        if not_wanted:
            strict += f" & !({' | '.join(not_wanted)})"
        has_phrase = any(len(term_words(term)) > 1 for group in (*wanted, banned, *better) for term in group)
        if not has_phrase:
            return strict, "", []

        # Notes too long for places: the index finds those with the words, their text tells where the words stand.
        params = [strict]
        in_text = [self.in_long_text(group, params) for group in wanted]
        in_text += [f"NOT {self.in_long_text([term], params)}" for term in banned]
        if better:
            in_text.append(f"NOT ({' AND '.join(self.in_long_text(group, params) for group in better)})")
        words_stand_so = f"CASE WHEN long_text IS NULL THEN {self.IN_OWN_PERIOD} ELSE {' AND '.join(in_text)} END"
        return self.all_of(wanted, " & ") or self.quoted(""), f" AND {words_stand_so}", params

    def all_of(self, groups, link):
        return " & ".join(f"({' | '.join(self.one(term, link) for term in group)})" for group in groups)

    def one(self, term, link):
        phrase = [self.quoted(word) for word in term_words(term)]
        return f"({link.join(phrase)}{':*' if term.is_prefix else ''})"

    def quoted(self, term):
        """Return the term for a tsquery. Our terms hold neither quotes nor backslashes."""
        return f"'{self.notebook.pk}:~:{term}'"

    def in_long_text(self, group, params):
        for term in group:
            params.append(f" {' '.join(term_words(term))}{'' if term.is_prefix else ' '}")
        return "(" + " OR ".join("strpos(long_text, %s) > 0" for _ in group) + ")"
