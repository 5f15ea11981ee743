"""The index of live notes: FTS5 on SQLite, tsvector on PostgreSQL. The only file that knows either.

Both are fed by the tokenizer of notes/words.py and hold the same terms, told apart by a first character that no word
has: `word` anywhere in the note, `=word` in its title, `=!digest` its whole title, `@digest` a tag. So a search in
titles reads no more of the index than it finds, however common its words are.

The door writes the index in the transaction that writes the note. `position` is the note's own: descending, it is
newest first, and both engines can stream their hits in that order.
"""

import math
import sqlite3
import time
from functools import cached_property, partial
from hashlib import blake2b
from itertools import accumulate, combinations

from django.db import connection, transaction
from django.db.models.expressions import RawSQL

from notes import databases, tags
from notes.words import MIN_PREFIX_CHARS, Query, Term, words

TABLE = "notes_search"

# The number of the terms that the index holds. Whoever changes them, or the words of notes/words.py, raises it:
# `check` then asks for rebuild_search, which brings the index of an older code to that of today.
FORMAT = 1
UNFINISHED = 0


def current_format():
    return FORMAT


def index(notes):
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
    index(notes)


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


# Ranking

WHOLE_TITLE, IN_ORDER_IN_TITLE, ALL_IN_TITLE, ALL_BUT_ONE_IN_TITLE, ONE_IN_TITLE, IN_TEXT = 5, 4, 3, 2, 1, 0


def groups(query):
    """Return [(rank, conditions)], best first; each group's conditions follow from those of the group before it.

    The best notes have the query as their title, then its words next to each other and in order in the title, then all
    of them in the title, all but one of three to eight, one; last come those that have them in the text alone. There is
    no other score: how often a word occurs and how rare it is do not count. That can be told in a sentence, is the same
    in both databases, and never reads more of a common word's million hits than it shows.

    Conditions are a list of alternatives: all of the outer must hold, each by any of its inner terms.
    """
    wanted = query.wanted
    if not wanted:
        return [(IN_TEXT, [])]
    in_title = [Term(tuple(f"={word}" for word in term.words), is_prefix=term.is_prefix) for term in wanted]
    whole = tuple(word for term in wanted for word in term.words)
    result = [(WHOLE_TITLE, [[Term((title_term(whole),))]])]
    if len(wanted) > 1:
        in_order = Term(tuple(f"={word}" for word in whole), is_prefix=wanted[-1].is_prefix)
        result.append((IN_ORDER_IN_TITLE, [[in_order]]))
    result.append((ALL_IN_TITLE, [[term] for term in in_title]))
    if 3 <= len(wanted) <= 8:
        # All but one are there when of any two one is.
        result.append((ALL_BUT_ONE_IN_TITLE, [list(pair) for pair in combinations(in_title, 2)]))
    if len(wanted) > 1:
        result.append((ONE_IN_TITLE, [in_title]))
    return [*result, (IN_TEXT, [])]


# What is indexed of a note


def tag_term(name):
    return "@" + digest(tags.key(name))


def title_term(title_words):
    return "=!" + digest(" ".join(title_words))


def digest(text):
    return blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()


def indexed(note):
    """Return (marked terms, words of the title, words of the body)."""
    title = words(note.title)
    return [*map(tag_term, note.tags), title_term(title), *(f"={word}" for word in title)], title, words(note.body)


def term_words(term):
    return (tag_term(term.tag),) if term.tag else term.words


class Search:
    """One search in one notebook."""

    # Of so few notes each is looked at for the words, of more each hit is looked up among them.
    FEW = 1000

    def __init__(self, cursor, notebook, query, *, ascending=False, within=None, between=(None, None)):
        self.cursor = cursor
        self.notebook = notebook
        self.query = query
        self.ascending = ascending
        first, end = between
        self.bounds = f" AND {self.POSITION} >= {first}" if first is not None else ""
        self.bounds += f" AND {self.POSITION} < {end}" if end is not None else ""
        self.among_few, self.within, self.within_params = False, "", ()
        if within is not None:
            few = list(within.order_by().values_list("position", flat=True)[: self.FEW + 1])
            if len(few) <= self.FEW:
                self.among_few, self.bounds = True, self.bounds_of(few)
            else:
                note = within.order_by().filter(position=RawSQL(f"{TABLE}.{self.POSITION}", ())).values("pk")
                sql, self.within_params = note.query.get_compiler(connection=connection).as_sql()
                self.within = f" AND EXISTS ({sql}{self.FENCE})"

    def behind(self, position):
        """Return the SQL condition: behind this hit, if there is one, and within the bounds."""
        if position is None:
            return self.bounds
        return f"{self.bounds} AND {self.POSITION} {'>' if self.ascending else '<'} {position}"

    @property
    def direction(self):
        return "ASC" if self.ascending else "DESC"


class SQLite(Search):
    POSITION = "rowid"
    FENCE = ""
    MATCHING = f"FROM {TABLE} WHERE {TABLE} MATCH %s"
    # Up to this many words stand in for a prefix; FTS5's own prefix search gathers all hits before it sorts them.
    MAX_EXPANSION = 64
    DROP = [f"DROP TABLE IF EXISTS {TABLE}_words", f"DROP TABLE IF EXISTS {TABLE}"]
    CREATE = [
        # `ascii` takes every other character as it comes: the folding is ours alone.
        f"CREATE VIRTUAL TABLE {TABLE} USING fts5(head, body, columnsize=0, prefix='2', "
        "tokenize=\"ascii tokenchars '_+#=!@~'\")",
        f"CREATE VIRTUAL TABLE {TABLE}_words USING fts5vocab({TABLE}, row)",
    ]
    if sqlite3.sqlite_version_info >= (3, 42):
        CREATE.append(f"INSERT INTO {TABLE} ({TABLE}, rank) VALUES ('secure-delete', 1)")
    # Some milliseconds of work: other writers wait for no more.
    PAGES_OF_A_MERGE = 64

    @staticmethod
    def row(note):
        marked, title, body = indexed(note)
        return note.position, " ".join([notebook_term(note.notebook_id), *marked, *title]), " ".join(body)

    @classmethod
    def add(cls, cursor, notes):
        cursor.executemany(f"INSERT INTO {TABLE} (rowid, head, body) VALUES (%s, %s, %s)", map(cls.row, notes))

    @classmethod
    def compare(cls, cursor, notes):
        rows = {note.pk: cls.row(note) for note in notes}
        positions = ", ".join(str(row[0]) for row in rows.values()) or "NULL"
        cursor.execute(f"SELECT rowid, head, body FROM {TABLE} WHERE rowid IN ({positions})")
        indexed_rows = {row[0]: row for row in cursor.fetchall()}
        return {pk: indexed_rows[row[0]] == row for pk, row in rows.items() if row[0] in indexed_rows}

    @staticmethod
    def remove(cursor, notes):
        cursor.executemany(f"DELETE FROM {TABLE} WHERE rowid = %s", [(note.position,) for note in notes])

    @classmethod
    def erase(cls, cursor, seconds):
        """Merge the index to its end: until then its older parts hold what was deleted. SQLite 3.42 does so at once."""
        deadline = time.monotonic() + (math.inf if seconds is None else seconds)
        while time.monotonic() < deadline:
            before = total_changes(cursor)
            with databases.giving_way():
                cursor.execute(f"INSERT INTO {TABLE} ({TABLE}, rank) VALUES ('merge', -{cls.PAGES_OF_A_MERGE})")
            if total_changes(cursor) - before < 2:
                break
        # Not while somebody reads, such as a backup: the next one does it.
        with databases.without_waiting():
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def bounds_of(self, positions):
        # The plus keeps the index from being asked once for each of them.
        each = ", ".join(map(str, positions)) or "NULL"
        return f" AND rowid BETWEEN {min(positions, default=0)} AND {max(positions, default=0)} AND +rowid IN ({each})"

    def hits(self, terms, conditions, better, beyond, limit):
        self.cursor.execute(
            f"SELECT rowid {self.MATCHING}{self.behind(beyond)}{self.within} ORDER BY rowid {self.direction} LIMIT %s",
            (self.expression(terms, conditions, better), *self.within_params, limit),
        )
        return [position for (position,) in self.cursor.fetchall()]

    def among_hits(self):
        return f"notes_note.position IN (SELECT rowid {self.MATCHING})", [self.expression(self.query.terms)]

    def size(self):
        self.cursor.execute(f"SELECT count(*) {self.MATCHING}", [self.expression(self.query.terms)])
        return self.cursor.fetchone()[0]

    def expression(self, terms, conditions=(), better=()):
        """Return the text for MATCH: all terms and conditions, in this notebook, and not in the better group.

        Our terms hold neither quotes nor spaces, so that quoted they are never FTS5's syntax.
        """
        wanted = [f'"{notebook_term(self.notebook.pk)}"']
        wanted += [self.one(term) for term in terms if not term.is_negated]
        wanted += [self.any_of(alternatives) for alternatives in conditions]
        banned = [self.one(term) for term in terms if term.is_negated]
        if better:
            banned.append("(" + " AND ".join(self.any_of(alternatives) for alternatives in better) + ")")
        expression = "(" + " AND ".join(wanted) + ")"
        return f"{expression} NOT ({' OR '.join(banned)})" if banned else expression

    def any_of(self, alternatives):
        return "(" + " OR ".join(self.one(term) for term in alternatives) + ")"

    def one(self, term):
        phrase = term_words(term)
        if not term.is_prefix:
            return f'"{" ".join(phrase)}"'
        if self.expansion is None:
            return f'("{" ".join(phrase)}" *)'
        mark = "=" if phrase[-1].startswith("=") else ""
        phrases = [" ".join([*phrase[:-1], mark + word]) for word in self.expansion]
        return "(" + " OR ".join(f'"{phrase}"' for phrase in phrases) + ")"

    @cached_property
    def expansion(self):
        """All words that begin like the search's last one; None when they are many, or the prefix index has them."""
        [prefix] = [term.words[-1] for term in self.query.wanted if term.is_prefix]
        if len(prefix) <= MIN_PREFIX_CHARS or self.cursor is None:
            return None
        # Behind the word itself, whose own list may be long to count.
        self.cursor.execute(
            f"SELECT term FROM {TABLE}_words WHERE term >= %s AND term < %s LIMIT %s",
            (prefix + "\x01", prefix + "\U0010ffff", self.MAX_EXPANSION),
        )
        longer = [word for (word,) in self.cursor.fetchall()]
        return None if len(longer) == self.MAX_EXPANSION else [prefix, *longer]


def notebook_term(notebook_id):
    return f"~{notebook_id}"


def total_changes(cursor):
    cursor.execute("SELECT total_changes()")
    return cursor.fetchone()[0]


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
