"""Every question about many rows, by name. They read; the door writes."""

import json
from datetime import UTC, datetime, timedelta

from django.core.exceptions import EmptyResultSet
from django.db import models
from django.db.models import F, Func, OuterRef, Q, Subquery
from django.db.models.expressions import RawSQL
from django.db.models.lookups import In

from notes.search import index
from notes.search.engine import PositionRange
from notes.search.query import Query, Term

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
POSITIONS_PER_MICROSECOND = 16


@models.Field.register_lookup
class Among(In):
    """`in` for a list of any length, sent as one parameter: SQLite takes 32,766 of them in a statement, or fewer."""

    lookup_name = "among"

    def as_sql(self, compiler, connection):
        column, params = self.process_lhs(compiler, connection)
        _, values = self.get_db_prep_lookup(self.rhs, connection)
        if not values:
            raise EmptyResultSet
        if connection.vendor == "sqlite":
            return f"{column} IN (SELECT value FROM json_each(%s))", [*params, json.dumps(values)]
        return f"{column} = ANY(%s)", [*params, values]


class ByteLength(Func):
    """How long a text is in UTF-8: both databases know that without reading it. To count characters they read it."""

    template = "OCTET_LENGTH(%(expressions)s)"
    template_of_sqlite = "LENGTH(CAST(%(expressions)s AS BLOB))"
    output_field = models.IntegerField()

    def as_sqlite(self, compiler, connection):
        return self.as_sql(compiler, connection, template=self.template_of_sqlite)


class Short(ByteLength):
    """A text of at most SHORT_BYTES; of a longer one None, and it is not read."""

    # A page of the most rows with as much text each is not too much.
    SHORT_BYTES = 10_000
    template = f"CASE WHEN {ByteLength.template} <= {SHORT_BYTES} THEN %(expressions)s END"
    template_of_sqlite = f"CASE WHEN {ByteLength.template_of_sqlite} <= {SHORT_BYTES} THEN %(expressions)s END"
    output_field = models.TextField()


class NotebookQuerySet(models.QuerySet):
    def default(self):
        """Return the notebook of the operator's API_KEY, of the staff, and of readers without a key."""
        return self.get(name=self.model.DEFAULT_NAME)

    def index_has_changed(self, search_format):
        """Note what the search index holds now. Lists that were sent before are no longer the present ones."""
        return self.update(search_format=search_format, search_generation=F("search_generation") + 1)

    def wrongly_indexed(self):
        return self.exclude(search_format=index.FORMAT)


def first_position(created_at: datetime) -> int:
    return (created_at - EPOCH) // timedelta(microseconds=1) * POSITIONS_PER_MICROSECOND


def positions_between(after: datetime | None, before: datetime | None) -> PositionRange:
    """Return the range of the positions of notes created after and before these times, each of which may be None.

    Notes of one moment spread over a neighbourhood, of a second at most.
    """
    first = after and first_position(after)
    end = before and first_position(before) + 1_000_000 * POSITIONS_PER_MICROSECOND
    return PositionRange(first, end)


class NoteQuerySet(models.QuerySet):
    def live(self):
        return self.filter(deleted_at=None)

    def found_by(self, notebook, query):
        """Return the live notes that a search finds; its cost grows with their number.

        Do not add `.live()`: PostgreSQL would scan the index of live notes instead.
        """
        return self.filter(RawSQL(*index.matching(notebook, query), output_field=models.BooleanField()))

    def tagged(self, notebook, name):
        return self.found_by(notebook, Query((Term(tag=name),)))

    def created_between(self, after, before):
        """Return the notes created after and before these times, each of which may be None."""
        first, end = positions_between(after, before)
        # Redundant, but it lets the database use the index on `position`.
        bounds = {"created_at__gt": after, "created_at__lt": before, "position__gte": first, "position__lt": end}
        return self.filter(**{lookup: value for lookup, value in bounds.items() if value is not None})

    def with_short_bodies(self):
        """Return the notes with `body_bytes` and `short_body`, None where it is long, in place of the deferred body.

        A list can then be cut before the long ones are read.
        """
        return self.annotate(body_bytes=ByteLength("body"), short_body=Short("body")).defer("body")

    def trashed(self):
        return self.filter(deleted_at__isnull=False, purged_at=None)

    def unpurged(self):
        return self.filter(purged_at=None)

    def changed_after(self, number):
        """Return each note whose last write came after this one, in order of those writes; deleted ones too."""
        return self.filter(revision__gt=number).order_by("revision")


class RevisionQuerySet(models.QuerySet):
    def kept(self):
        return self.filter(body__isnull=False)

    def outdated(self, *, before, keep):
        """Return those with content that were written before that time and are not among the newest `keep` of a note.

        Once outdated, a revision stays so, whatever is written afterwards.
        """
        of_note = self.model.objects.filter(note=OuterRef("note")).order_by("-number")
        oldest_kept = Subquery(of_note.values("number")[keep - 1 : keep])
        return self.kept().filter(written_at__lt=before, number__lt=oldest_kept)

    def unerased(self):
        """Return the rows that have any content left."""
        return self.filter(Q(title__isnull=False) | Q(body__isnull=False) | Q(tags__isnull=False))


class ApiKeyQuerySet(models.QuerySet):
    def unrevoked(self):
        return self.filter(revoked_at=None)


class TagQuerySet(models.QuerySet):
    def beginning_with(self, prefix):
        return self.filter(key__startswith=prefix)


class TagRenameQuerySet(models.QuerySet):
    def running(self):
        return self.filter(finished_at=None)
