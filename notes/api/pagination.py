"""Pages by keyset: a cursor names the last row seen. Every page costs the same; in an order that stays, none shifts."""

import hashlib
from itertools import accumulate
from urllib.parse import urlencode

from django.core import signing
from django.db.models import Q
from rest_framework.pagination import BasePagination
from rest_framework.response import Response
from rest_framework.settings import api_settings

from notes.api.query_params import invalid_parameter, whole_number
from notes.api.throttling import count_chars
from notes.search import index

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
# A page ends with the note that brings its bodies to this length: of two hundred of the longest it would have 60 MB.
ENOUGH_BYTES = 2_000_000

signer = signing.Signer(salt="notes.cursor")


class KeysetPagination(BasePagination):
    """Orders by the view's `page_order`, field names of which the last is unique.

    A cursor is signed and bound to its notebook and query: a tampered one, or one of another list, is a 400.
    """

    template = "rest_framework/pagination/previous_and_next.html"
    query_params = {"limit", "cursor"}

    def paginate_queryset(self, queryset, request, view=None):
        order = view.page_order
        backwards, position = self.read(request)
        if backwards:
            order = [flipped(name) for name in order]
        names = [name.removeprefix("-") for name in order]
        queryset = queryset.order_by(*order)
        if position:
            fields = [queryset.model._meta.get_field(name) for name in names]
            queryset = queryset.filter(after(order, [field.to_python(text) for field, text in zip(fields, position)]))
        if view.shows_bodies:
            rows, more = page_with_bodies(queryset, self.limit, request)
        else:
            rows, more = page_of(queryset, self.limit)
        if backwards:
            rows.reverse()
        if rows and (backwards or more):
            self.next_link = self.link(False, [position_text(rows[-1], name) for name in names])
        if rows and (more if backwards else position):
            self.previous_link = self.link(True, [position_text(rows[0], name) for name in names])
        self.display_page_controls = bool(self.next_link or self.previous_link)
        return rows

    def read(self, request):
        """Take limit and cursor from the request; a 400 where they are not right.

        Return (backwards, position); the position is None on the first page.
        """
        self.request = request
        self.limit = whole_number(request, "limit", default=DEFAULT_LIMIT, least=1, most=MAX_LIMIT)
        self.next_link = self.previous_link = None
        return self.read_cursor()

    def get_paginated_response(self, data):
        return Response({"next": self.next_link, "previous": self.previous_link, "results": data})

    def link(self, backwards, position):
        query = [(name, value) for name, values in self.request.query_params.lists() for value in values]
        query = [(name, value) for name, value in query if name != "cursor"]
        cursor = signer.sign_object([self.query_digest(), backwards, position])
        return self.request.build_absolute_uri(f"{self.request.path}?{urlencode([*query, ('cursor', cursor)])}")

    def read_cursor(self):
        cursor = self.request.query_params.get("cursor")
        if cursor is None:
            return False, None
        try:
            digest, backwards, position = signer.unsign_object(cursor)
        except (signing.BadSignature, ValueError):
            raise invalid_parameter(
                "cursor", "This is not a cursor. Take it from `next` or `previous` of a page."
            ) from None
        if digest != self.query_digest():
            raise invalid_parameter("cursor", "This cursor belongs to another list. Start again without it.")
        return backwards, position

    def query_digest(self):
        query = sorted(
            (name, value)
            for name, values in self.request.query_params.lists()
            if name not in {*self.query_params, api_settings.URL_FORMAT_OVERRIDE}
            for value in values
        )
        parts = repr((self.request.access.notebook.pk, self.request.path.rstrip("/"), query))
        return hashlib.sha256(parts.encode()).hexdigest()[:16]

    def to_html(self):
        from django.template.loader import render_to_string

        context = {"previous_url": self.previous_link, "next_url": self.next_link}
        return render_to_string(self.template, context)

    def get_paginated_response_schema(self, schema):
        link = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }

    def get_schema_operation_parameters(self, view):
        return [
            {
                "name": "limit",
                "in": "query",
                "description": "How many results a page holds at most; long ones end it earlier.",
                "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
            },
            {
                "name": "cursor",
                "in": "query",
                "description": "Where the page starts: part of `next` and `previous`. Follow those links as they are.",
                "schema": {"type": "string"},
            },
        ]


class SearchPagination(KeysetPagination):
    """Pages of a search, forwards only. A cursor names the last hit by its rank and position."""

    def paginate_search(self, notes, wanted, request):
        """Return one page of those notes that the search finds, by relevance or by time of creation."""
        _, after = self.read(request)
        hits = index.page(
            request.access.notebook,
            wanted.query,
            by_relevance=wanted.ordering == "relevance",
            ascending=wanted.ordering == "created_at",
            after=after,
            limit=self.limit + 1,
            within=notes if wanted.has_bounds else None,
            between=wanted.positions,
        )

        def read(notes, count):
            positions = [position for _, position in hits[:count]]
            # One that was deleted after it was found is not there any more.
            found = {note.position: note for note in notes.filter(position__among=positions)}
            return [found.get(position) for position in positions]

        if wanted.needs_body:
            rows, more = page_with_bodies(notes, self.limit, request, read)
        else:
            rows, more = page_of(notes, self.limit, read)
        if more:
            self.next_link = self.link(False, hits[len(rows) - 1])
            self.display_page_controls = True
        return [note for note in rows if note]


def first(rows, count):
    return list(rows[:count])


def page_of(rows, limit, read=first):
    """Return (the rows of a page, whether there are more). `read(rows, count)` reads so many of a QuerySet."""
    rows = read(rows, limit + 1)
    return rows[:limit], len(rows) > limit


def page_with_bodies(notes, limit, request, read=first):
    """Return the same of notes with their bodies: fewer than `limit` where these are long. None is a note that is gone.

    One query where all bodies are short. Otherwise it tells how long they are, and a second one reads what fits.
    """
    rows, more = page_of(notes.with_short_bodies(), limit, read)
    lengths = accumulate(row.body_bytes if row else 0 for row in rows)
    fitting = next((count for count, length in enumerate(lengths, 1) if length >= ENOUGH_BYTES), len(rows))
    if any(row and row.short_body is None for row in rows):
        rows, more = page_of(notes, fitting, read)
    else:
        for row in filter(None, rows):
            row.body = row.short_body
    count_chars(request, sum(len(row.body) for row in rows if row))
    return rows, more


def flipped(name):
    return name[1:] if name.startswith("-") else f"-{name}"


def position_text(row, name):
    return str(row.serializable_value(name))


def after(order, values):
    """Return the condition for rows behind these values: (a, b) > (x, y), written so that an index serves it."""
    condition = None
    for name, value in reversed(list(zip(order, values))):
        column, lookup = name.removeprefix("-"), "lt" if name.startswith("-") else "gt"
        beyond = Q(**{f"{column}__{lookup}": value})
        if condition is None:
            condition = beyond
        else:
            condition = Q(**{f"{column}__{lookup}e": value}) & (beyond | condition)
    return condition
