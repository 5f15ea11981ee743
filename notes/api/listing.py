"""A list of notes: its query parameters, read once, and the page that answers them."""

from functools import cache, cached_property
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request

from notes.api.fields import Moment, Text
from notes.api.pagination import MAX_LIMIT, Page, PageParams, PageRequest, PagesOf
from notes.api.query_params import Family, Ids, Names, invalid_parameter
from notes.models import Note, Notebook
from notes.prepared import Parameter, Parameters, Prepared
from notes.querysets import positions_between
from notes.search import index
from notes.search.engine import Hit, PositionRange
from notes.search.query import MAX_QUERY_CHARS, Query, QueryTooLong, Term, parse

NOTE_FIELDS = ["id", "title", "body", "tags", "metadata", "revision", "created_at", "updated_at", "highlights"]
ORDERS = {
    "-created_at": ["-position"],
    "created_at": ["position"],
    "-updated_at": ["-updated_at", "-position"],
    "updated_at": ["updated_at", "position"],
    "-title": ["-title", "-position"],
    "title": ["title", "position"],
}
# Orders in which the index can stream its hits.
SEARCH_ORDERS = {"relevance", "created_at", "-created_at"}
OF_NOTEBOOK = {"notebook": Parameter("notebook", Note._meta.get_field("notebook"))}


@cache
def notes_where(lookups: tuple[str, ...], *, with_bodies: bool) -> PagesOf:
    """Return the pages of a notebook's live notes that meet these lookups. Each has a Parameter of its name."""

    def rows() -> QuerySet:
        notes = Note.objects.live().filter(**OF_NOTEBOOK, **{lookup: parameter_of(lookup) for lookup in lookups})
        return notes if with_bodies else notes.defer("body")

    return PagesOf(rows)


def parameter_of(lookup: str) -> Parameter:
    name, _, kind = lookup.partition("__")
    return (Parameters if kind == "among" else Parameter)(lookup, Note._meta.get_field(name))


TIMES = ["created_after", "created_before", "updated_after", "updated_before"]


class Metadata(Family):
    """`metadata.author=Ada`: notes with this value, or with a list that has it."""

    def to_internal_value(self, given: dict[str, list[str]]) -> list[Term]:
        if "" in given:
            raise serializers.ValidationError("Say which name: metadata.author=Ada.", code="query_parameter")
        members: dict[str, list[str]] = super().to_internal_value(given)
        return [Term(pair=(name, text)) for name, texts in members.items() for text in texts]


# OpenAPI knows no parameters whose names the client chooses. The description of the list tells of them.
@extend_schema_serializer(exclude_fields=["metadata"])
class ListParams(PageParams):
    """What a list of notes may be asked for."""

    repeatable = frozenset({"tag", "without_tag", "metadata."})
    # What the form on the page of the list offers.
    for_people = ["q", "tag", "without_tag", *TIMES, "ordering"]

    q = Text(
        label="Search",
        required=False,
        allow_blank=True,
        max_length=MAX_QUERY_CHARS,
        help_text='Words, "exact phrases", -without, tag:name. The last word may be unfinished.',
    )
    tag = serializers.ListField(child=Text(), required=False, help_text="Notes with this tag; given twice, with both.")
    without_tag = serializers.ListField(child=Text(), required=False, help_text="Notes without this tag.")
    metadata = Metadata(required=False)
    created_after = Moment(required=False)
    created_before = Moment(required=False)
    updated_after = Moment(required=False)
    updated_before = Moment(required=False)
    ids = Ids(required=False, help_text="Up to 100 ids, separated by commas.")
    ordering = serializers.ChoiceField(
        ["relevance", *ORDERS],
        required=False,
        help_text="By relevance when there is a `q`, otherwise the newest first.",
    )
    fields = Names(NOTE_FIELDS, required=False, help_text="Only these fields, separated by commas.")
    omit = Names(
        ["body", "metadata"],
        required=False,
        help_text="Without these fields: `body`, `metadata` or both, for a light list.",
    )

    def validate_q(self, text: str) -> Query:
        try:
            return parse(text)
        except QueryTooLong as error:
            raise serializers.ValidationError(str(error)) from None

    def validate(self, params: dict[str, Any]) -> dict[str, Any]:
        if params.get("ordering") == "relevance" and "q" not in params:
            raise invalid_parameter("ordering", "Nothing is more relevant than anything else without a `q`.")
        if "fields" in params and "omit" in params:
            raise invalid_parameter("omit", "Say `fields` or `omit`, not both.")
        return params


class ListRequest(PageRequest):
    """What a request for a list of notes asks for: every parameter, read once."""

    params_class = ListParams

    def __init__(self, request: Request, notebook: Notebook, params: dict[str, Any]) -> None:
        super().__init__(request, notebook, params)
        self.params = params
        tags = [Term(tag=name) for name in params.get("tag", [])]
        tags += [Term(tag=name, is_negated=True) for name in params.get("without_tag", [])]
        tags += params.get("metadata", [])
        self.query = Query((*params["q"].terms, *tags)) if "q" in params else Query(tuple(tags))
        self.ordering: str = params.get("ordering", "relevance" if "q" in params else "-created_at")

    def page(self) -> Page:
        if self.finds_nothing:
            return Page()
        is_search = bool(self.query.terms)
        if is_search and self.ordering in SEARCH_ORDERS:
            return self.page_of_hits()
        order = ORDERS[self.ordering]
        if is_search:
            notes = self.notebook.notes.found_by(self.notebook, self.query).filter(**self.bounds)
            pages = PagesOf(lambda: notes if self.needs_body else notes.defer("body"))
            return self.keyset_page(pages, Note, order, with_bodies=self.needs_body)
        pages = notes_where(tuple(self.bounds), with_bodies=self.needs_body)
        values = {"notebook": self.notebook.pk, **self.bounds}
        return self.keyset_page(pages, Note, order, with_bodies=self.needs_body, **values)

    def page_of_hits(self) -> Page:
        """Return a page in one of SEARCH_ORDERS, forwards only. Its cursor holds rank and position of the last hit."""
        hits = index.page(
            self.notebook,
            self.query,
            by_relevance=self.ordering == "relevance",
            ascending=self.ordering == "created_at",
            after=Hit(*self.position) if self.position else None,
            limit=self.limit + 1,
            candidates=self.notebook.notes.live().filter(**self.bounds) if self.bounds else None,
            position_range=self.position_range,
        )
        if not hits:
            return Page()

        def read(count: int, short: bool) -> tuple[Prepared[Any], list[tuple[Any, ...] | None]]:
            positions = [hit.position for hit in hits[:count]]
            pages = notes_where(("position__among", *self.bounds), with_bodies=self.needs_body)
            query = pages.query(["position"], is_after=False, count=MAX_LIMIT + 1, short=short)
            rows = query.rows(notebook=self.notebook.pk, position__among=positions, **self.bounds)
            place = query.columns.index("position")
            # A hit may have been deleted since the search ran.
            found = {row[place]: row for row in rows}
            return query, [found.get(position) for position in positions]

        query, rows, has_more = self.read(read, with_bodies=self.needs_body)
        return Page(
            query,
            [row for row in rows if row],
            next=self.link(hits[len(rows) - 1]) if has_more else None,
        )

    @property
    def finds_nothing(self) -> bool:
        """Tell whether `q` has no word in it, such as "%". Such a search finds nothing, rather than everything."""
        return "q" in self.params and not self.params["q"].terms

    @property
    def only(self) -> list[str] | None:
        """The names of the fields to show of each note; None for all."""
        if "omit" in self.params:
            return [name for name in NOTE_FIELDS if name not in self.params["omit"]]
        return self.params.get("fields")

    @property
    def needs_body(self) -> bool:
        """Tell whether bodies are read: to be shown, or to cut highlights from."""
        shown = self.only or NOTE_FIELDS
        return "body" in shown or ("highlights" in shown and bool(self.query.wanted))

    @cached_property
    def bounds(self) -> dict[str, Any]:
        """The lookups that narrow the list. Positions let the database use their index for times of creation."""
        after, before = self.params.get("created_after"), self.params.get("created_before")
        first, end = positions_between(after, before)
        bounds = {
            "created_at__gt": after,
            "created_at__lt": before,
            "position__gte": first,
            "position__lt": end,
            "updated_at__gt": self.params.get("updated_after"),
            "updated_at__lt": self.params.get("updated_before"),
            "uuid__among": self.params.get("ids"),
        }
        return {lookup: value for lookup, value in bounds.items() if value is not None}

    @property
    def position_range(self) -> PositionRange:
        """The range of positions that the notes can have, judged by the bounds of time alone."""
        ends = [self.params[name] for name in ("created_before", "updated_before") if name in self.params]
        return positions_between(self.params.get("created_after"), min(ends, default=None))
