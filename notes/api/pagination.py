"""Pages by keyset: a cursor names the last row seen.

Every page costs the same. New rows do not shift the pages, as long as the order of the old ones stays.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from itertools import accumulate
from typing import Any, NamedTuple, Self
from urllib.parse import urlencode

from django.core import signing
from django.db.models import Model, Q, QuerySet
from django.template.loader import render_to_string
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings

from notes.api.query_params import QueryParams, WholeNumber, invalid_parameter
from notes.api.throttling import count_chars
from notes.models import Notebook
from notes.prepared import Parameter, Prepared

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
# A page stops once its bodies reach this length: two hundred of the longest would be 60 MB.
ENOUGH_BYTES = 2_000_000
# Proxies take 4 kB of headers, and answer 502 when there are more. The body has the longest addresses too.
MAX_LINK_CHARS = 2000

signer = signing.Signer(salt="notes.cursor")


class Cursor(NamedTuple):
    """Where a page starts: after the row with the values in `position`, in the list that has this digest."""

    digest: str
    is_backwards: bool
    position: list[Any]


# Rows as the database's driver gives them.
Rows = list[tuple[Any, ...]]
# Reads the given number of rows. The flag asks for short bodies alone (see NoteQuerySet.with_short_bodies). None stands
# for a note that has been deleted meanwhile.
Read = Callable[[int, bool], tuple[Prepared[Any], Sequence[tuple[Any, ...] | None]]]


class Page(NamedTuple):
    """The rows of one page, the query that read them, and the addresses of the next and the previous page."""

    query: Prepared[Any] | None = None
    rows: Rows = []
    next: str | None = None
    previous: str | None = None

    def values(self, *names: str) -> Iterator[list[Any]]:
        """Yield the values of these columns, row for row."""
        if self.query:
            places = [place_of(self.query, name) for name in names]
            yield from ([row[place] for place in places] for row in self.rows)

    @property
    def models(self) -> list[Any]:
        models = [self.query.model_of(row) for row in self.rows] if self.query else []
        for model in models:
            if hasattr(model, "short_body"):
                model.body = model.short_body
        return models


def place_of(query: Prepared[Any], column: str) -> int:
    """Return where a column stands in the rows; for a body that may be its short form."""
    return query.columns.index(column if column in query.columns else f"short_{column}")


class PagesOf:
    """The queries for the pages of one QuerySet, each compiled once: one for each order, direction and length."""

    def __init__(self, rows: Callable[[], QuerySet]) -> None:
        self.rows = rows
        self.queries: dict[tuple[Any, ...], Prepared[Any]] = {}

    def query(self, order: Sequence[str], is_after: bool, count: int, short: bool) -> Prepared[Any]:
        """Return the query for a page. If the page is after a row, its Parameters have the names of `order`."""
        key = (*order, is_after, count, short)
        if key not in self.queries:
            self.queries[key] = Prepared(partial(self.build, order, is_after, count, short))
        return self.queries[key]

    def build(self, order: Sequence[str], is_after: bool, count: int, short: bool) -> QuerySet:
        rows = self.rows().order_by(*order)
        if is_after:
            names = [name.removeprefix("-") for name in order]
            last = [Parameter(name, rows.model._meta.get_field(name)) for name in names]
            rows = rows.filter(condition_after(order, last))
        if short:
            rows = rows.with_short_bodies()
        return rows[:count]


@extend_schema_field({"type": "string"})
class CursorField(serializers.Field):
    def to_internal_value(self, text: str) -> Cursor:
        try:
            return Cursor(*signer.unsign_object(text))
        except (signing.BadSignature, ValueError):
            detail = "This is not a cursor. Take it from `next` or `previous` of a page."
            raise serializers.ValidationError(detail, code="query_parameter") from None


class LimitParams(QueryParams):
    limit = WholeNumber(
        min_value=1,
        max_value=MAX_LIMIT,
        default=DEFAULT_LIMIT,
        help_text="How many results a page holds at most; long ones end it earlier.",
    )


class PageParams(LimitParams):
    """Which page of a list a client may ask for."""

    cursor = CursorField(
        required=False,
        help_text="Where the page starts: part of `next` and `previous`. Follow those links as they are.",
    )


class PageRequest:
    """Which page of a list a request asks for. It also makes the addresses of the next and the previous page.

    A cursor is signed, and bound to its notebook and query. A forged cursor is a 400; so is one of another list.
    """

    params_class = PageParams

    def __init__(self, request: Request, notebook: Notebook, params: dict[str, Any]) -> None:
        self.request = request
        self.notebook = notebook
        self.limit: int = params["limit"]
        cursor: Cursor | None = params.get("cursor")
        if cursor and cursor.digest != self.list_digest:
            raise invalid_parameter("cursor", "This cursor belongs to another list. Start again without it.")
        self.is_backwards = cursor is not None and cursor.is_backwards
        # The page starts after the row with these values. None on the first page.
        self.position = cursor.position if cursor else None

    @classmethod
    def of(cls, request: Request, notebook: Notebook) -> Self:
        """Read all parameters of the request. Raise a ValidationError that names the wrong ones."""
        return cls(request, notebook, cls.params_class.of(request))

    @cached_property
    def list_digest(self) -> str:
        """Tells one list from another: its notebook, its address, and what narrows or orders it."""
        ignored = {*PageParams.names(), api_settings.URL_FORMAT_OVERRIDE}
        query = sorted(
            (name, value)
            for name, values in self.request.query_params.lists()
            if name not in ignored
            for value in values
        )
        parts = repr((self.notebook.pk, self.request.path.rstrip("/"), query))
        return hashlib.sha256(parts.encode()).hexdigest()[:16]

    def link(self, position: Sequence[Any], *, is_backwards: bool = False) -> str:
        """Return the address of the page that starts after the row with these values."""
        query = [(name, value) for name, values in self.request.query_params.lists() for value in values]
        query = [(name, value) for name, value in query if name != "cursor"]
        cursor = signer.sign_object([self.list_digest, is_backwards, position])
        return self.request.build_absolute_uri(f"{self.request.path}?{urlencode([*query, ('cursor', cursor)])}")

    def keyset_page(
        self, pages: PagesOf, model: type[Model], order: Sequence[str], *, with_bodies: bool, **values: Any
    ) -> Page:
        """Return one page. `order` names the columns to sort by; the last one must be unique.

        `values` are for the Parameters of the rows.
        """
        if self.is_backwards:
            order = [flipped(name) for name in order]
        names = [name.removeprefix("-") for name in order]
        is_after = self.position is not None
        if self.position:
            fields = [model._meta.get_field(name) for name in names]
            values |= {name: field.to_python(text) for name, field, text in zip(names, fields, self.position)}

        def read(count: int, short: bool) -> tuple[Prepared[Any], Rows]:
            query = pages.query(order, is_after, count, short)
            return query, query.rows(**values)

        query, found, has_more = self.read(read, with_bodies=with_bodies)
        has_next, has_previous = has_more, is_after
        if self.is_backwards:
            found.reverse()
            has_next, has_previous = True, has_more

        def link(row: tuple[Any, ...], is_backwards: bool) -> str:
            return self.link([str(query.value_of(row, name)) for name in names], is_backwards=is_backwards)

        return Page(
            query,
            found,
            next=link(found[-1], False) if found and has_next else None,
            previous=link(found[0], True) if found and has_previous else None,
        )

    def read(self, read: Read, *, with_bodies: bool) -> tuple[Prepared[Any], list[Any], bool]:
        """Return the query, the rows of the page, and whether more rows follow."""
        if with_bodies:
            return read_with_bodies(read, self.limit, self.request)
        return read_page(read, self.limit)


class KeysetPagination(BasePagination):
    """Paginates a view's list by its `page_order`. DRF asks for it, also for the links on the browsable API's page."""

    template = "rest_framework/pagination/previous_and_next.html"
    query_params = PageParams.names()
    page = Page()

    def paginate_queryset(self, queryset: QuerySet, request: Request, view: Any = None) -> list[Any]:
        wanted, pages = PageRequest.of(request, view.notebook), PagesOf(lambda: queryset)
        self.page = wanted.keyset_page(pages, queryset.model, view.page_order, with_bodies=view.shows_bodies)
        return self.page.models

    def get_paginated_response(self, data: Any) -> Response:
        return self.response(self.page, data)

    def response(self, page: Page, data: Any) -> Response:
        """Return the answer with a page of these results."""
        self.page = page
        response = Response({"next": page.next, "previous": page.previous, "results": data})
        links = {"next": page.next, "prev": page.previous}
        link = ", ".join(f'<{address}>; rel="{rel}"' for rel, address in links.items() if address)
        if 0 < len(link) <= MAX_LINK_CHARS:
            response["Link"] = link
        return response

    @property
    def display_page_controls(self) -> bool:
        return bool(self.page.next or self.page.previous)

    def to_html(self) -> str:
        context = {"previous_url": self.page.previous, "next_url": self.page.next}
        return render_to_string(self.template, context)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }


def read_page(read: Read, limit: int, *, short: bool = False) -> tuple[Prepared[Any], list[Any], bool]:
    query, rows = read(limit + 1, short)
    return query, list(rows[:limit]), len(rows) > limit


def read_with_bodies(read: Read, limit: int, request: Request) -> tuple[Prepared[Any], list[Any], bool]:
    """Read a page of notes with their bodies: fewer than `limit` if the bodies are long.

    One query if all bodies are short. Otherwise that query tells the lengths, and a second one reads what fits.
    """
    query, rows, has_more = read_page(read, limit, short=True)
    length, body = query.columns.index("body_bytes"), query.columns.index("short_body")
    lengths = accumulate(row[length] if row else 0 for row in rows)
    fitting = next((count for count, total in enumerate(lengths, 1) if total >= ENOUGH_BYTES), len(rows))
    if any(row and row[body] is None for row in rows):
        query, rows, has_more = read_page(read, fitting)
        body = query.columns.index("body")
    count_chars(request, sum(len(row[body]) for row in rows if row))
    return query, rows, has_more


def flipped(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def condition_after(order: Sequence[str], values: Sequence[Any]) -> Q:
    """Return the condition for rows after these values: (a, b) > (x, y), written so that an index serves it."""
    condition = None
    for name, value in reversed(list(zip(order, values))):
        column, lookup = name.removeprefix("-"), "lt" if name.startswith("-") else "gt"
        is_beyond = Q(**{f"{column}__{lookup}": value})
        if condition is None:
            condition = is_beyond
        else:
            condition = Q(**{f"{column}__{lookup}e": value}) & (is_beyond | condition)
    return condition
