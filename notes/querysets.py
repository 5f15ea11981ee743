"""Every question about many rows, by name. They read; the door writes."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Self

from django.core.exceptions import EmptyResultSet
from django.db import models
from django.db.models import F, Func, OuterRef, Q, Subquery
from django.db.models.expressions import RawSQL
from django.db.models.lookups import In
from django.utils import timezone

from notes.prepared import Parameter, Parameters, Prepared, as_one
from notes.search import index
from notes.search.engine import SQL, NotebookOfIndex, PositionRange
from notes.search.query import Query

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
POSITIONS_PER_MICROSECOND = 16


@models.Field.register_lookup
class Among(In):
    """`in` for a list of any length, sent as one parameter."""

    lookup_name = "among"

    def as_sql(self, compiler: Any, connection: Any) -> SQL:
        column, params = self.process_lhs(compiler, connection)
        values: Any = self.rhs
        if not isinstance(values, Parameters):
            _, listed = self.get_db_prep_lookup(values, connection)
            if not listed:
                raise EmptyResultSet
            values = as_one(listed, connection)
        among = "IN (SELECT value FROM json_each(%s))" if connection.vendor == "sqlite" else "= ANY(%s)"
        return SQL(f"{column} {among}", [*params, values])


class ByteLength(Func):
    """The length of a text in UTF-8. Both databases know it without reading the text; counting characters reads it."""

    template = "OCTET_LENGTH(%(expressions)s)"
    template_of_sqlite = "LENGTH(CAST(%(expressions)s AS BLOB))"
    output_field = models.IntegerField()

    def as_sqlite(self, compiler: Any, connection: Any) -> SQL:
        return SQL(*self.as_sql(compiler, connection, template=self.template_of_sqlite))


class Short(ByteLength):
    """A text of at most SHORT_BYTES, or None for a longer one, which is not read."""

    # Even the largest page, each text as long as this, is not too much.
    SHORT_BYTES = 10_000
    template = f"CASE WHEN {ByteLength.template} <= {SHORT_BYTES} THEN %(expressions)s END"
    template_of_sqlite = f"CASE WHEN {ByteLength.template_of_sqlite} <= {SHORT_BYTES} THEN %(expressions)s END"
    output_field = models.TextField()


class NotebookQuerySet(models.QuerySet):
    def default(self) -> Any:
        """Return the notebook that the operator's API_KEY, the staff and readers without a key use."""
        notebook = default_notebook(self.model).first()
        if notebook is None:
            raise self.model.DoesNotExist("The default notebook is missing: `migrate` makes it.")
        return notebook

    def index_has_changed(self, search_format: int) -> int:
        """Store the format of the index and raise its generation: lists sent before no longer count as current."""
        return self.update(search_format=search_format, search_generation=F("search_generation") + 1)

    def last_written_first(self) -> Self:
        """Return the notebooks with `written_at` and `writer_name` of the last write. Both are None without any."""
        writes = self.model._meta.get_field("revisions").related_model.objects
        last = writes.filter(notebook=OuterRef("pk"), number=OuterRef("revision"))
        columns = {name: Subquery(last.values(name)) for name in ("written_at", "writer_name")}
        return self.annotate(**columns).order_by(F("written_at").desc(nulls_last=True), "name")

    def wrongly_indexed(self) -> Self:
        return self.exclude(search_format=index.FORMAT)


@cache
def default_notebook(model: Any) -> Prepared[Any]:
    return Prepared(lambda: model.objects.filter(name=model.DEFAULT_NAME).defer("created_at"))


def first_position(created_at: datetime) -> int:
    return (created_at - EPOCH) // timedelta(microseconds=1) * POSITIONS_PER_MICROSECOND


def positions_between(after: datetime | None, before: datetime | None) -> PositionRange:
    """Return the range of positions of notes created after and before these times. Either may be None.

    The range ends a second after `before`, since the notes of one moment spread over at most that much.
    """
    return PositionRange(
        first_position(after) if after else None,
        first_position(before) + 1_000_000 * POSITIONS_PER_MICROSECOND if before else None,
    )


class NoteQuerySet(models.QuerySet):
    def with_uuid(self, among: str = "live") -> Prepared[Any]:
        """Return the query for the note of a `notebook` with this `uuid`. `among` names one of the methods below."""
        return note_with_uuid(self.model, among)

    def live(self) -> Self:
        return self.filter(deleted_at=None)

    def found_by(self, notebook: NotebookOfIndex, query: Query) -> Self:
        """Return the live notes that a search finds. The cost grows with their number.

        Do not add `.live()`: PostgreSQL would scan the index of live notes instead.
        """
        return self.filter(RawSQL(*index.matching(notebook, query), output_field=models.BooleanField()))

    def with_short_bodies(self) -> Self:
        """Return the notes with `body_bytes` and `short_body` in place of the body, which is deferred.

        `short_body` is None if the body is long. So a list can be cut before long bodies are read.
        """
        return self.annotate(body_bytes=ByteLength("body"), short_body=Short("body")).defer("body")

    def trashed(self) -> Self:
        return self.filter(deleted_at__isnull=False, purged_at=None)

    def unpurged(self) -> Self:
        return self.filter(purged_at=None)

    def changed_after(self, number: int | Parameter) -> Self:
        """Return the notes last written after this write, in the order of their last writes; deleted notes too."""
        return self.filter(revision__gt=number).order_by("revision")


@cache
def note_with_uuid(model: Any, among: str) -> Prepared[Any]:
    conditions = {name: Parameter(name, model._meta.get_field(name)) for name in ("notebook", "uuid")}
    return Prepared(lambda: getattr(model.objects, among)().filter(**conditions))


class RevisionQuerySet(models.QuerySet):
    def kept(self) -> Self:
        return self.filter(body__isnull=False)

    def outdated(self, *, before: datetime, keep: int) -> Self:
        """Return revisions with content, written before that time and not among the newest `keep` of their note.

        An outdated revision stays outdated, whatever is written afterwards.
        """
        of_note = self.model.objects.filter(note=OuterRef("note")).order_by("-number")
        oldest_kept = Subquery(of_note.values("number")[keep - 1 : keep])
        return self.kept().filter(written_at__lt=before, number__lt=oldest_kept)

    def unerased(self) -> Self:
        """Return the rows that still have any content."""
        has_metadata = Q(metadata__isnull=False) & ~Q(metadata={})
        return self.filter(Q(title__isnull=False) | Q(body__isnull=False) | Q(tags__isnull=False) | has_metadata)


class ApiKeyQuerySet(models.QuerySet):
    def unrevoked(self) -> Self:
        return self.filter(revoked_at=None)

    def expiring_within(self, delta: timedelta) -> Self:
        """Return the keys that still open their notebook, but not for long; the first to expire comes first."""
        now = timezone.now()
        return self.unrevoked().filter(expires_at__gt=now, expires_at__lte=now + delta).order_by("expires_at")

    def with_digest(self, digest: str) -> Any:
        """Return the key with this digest, revoked or expired too, or None. Its notebook comes with it."""
        return key_with_digest(self.model).first(digest=digest)


@cache
def key_with_digest(model: Any) -> Prepared[Any]:
    digest = Parameter("digest", model._meta.get_field("digest"))
    return Prepared(lambda: model.objects.select_related("notebook").filter(digest=digest))


class TagQuerySet(models.QuerySet):
    def beginning_with(self, prefix: str) -> Self:
        return self.filter(key__startswith=prefix)


class TagRenameQuerySet(models.QuerySet):
    def running(self) -> Self:
        return self.filter(finished_at=None)
