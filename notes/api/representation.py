"""Answers read straight off a row: what DRF's serializer would say, without copying and asking its fields."""

from functools import cache

import orjson
from django.db import connection
from rest_framework import serializers

from notes.api.fields import Metadata, Moment, NoteId, Tags, Text
from notes.content import utc_text


def moment_of_sqlite(text):
    return text and f"{text[:10]}T{text[11:]}Z"


def uuid_of_sqlite(text):
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


# How each kind of field shows the value of a model; None: as it is. A kind that is not here cannot be read off a row.
SHOWN_AS = {
    NoteId: str,
    Text: None,
    Tags: None,
    Metadata: None,
    serializers.IntegerField: None,
    serializers.DateTimeField: utc_text,
    Moment: utc_text,
}
# The same for the value of a column, as the database's driver gives it.
SHOWN_FROM_COLUMN = {
    "postgresql": {**SHOWN_AS, Tags: orjson.loads, Metadata: orjson.loads},
    "sqlite": {
        **SHOWN_AS,
        NoteId: uuid_of_sqlite,
        Tags: orjson.loads,
        Metadata: orjson.loads,
        serializers.DateTimeField: moment_of_sqlite,
        Moment: moment_of_sqlite,
    },
}


class FromRow:
    """Mixin of a serializer. Its fields check what comes in and are in the OpenAPI document; rows go out past them.

    DRF copies the fields for each request and asks each of them for each row: a third of the time of a page.
    """

    def to_representation(self, model):
        return {
            name: getattr(model, source) if shown_as is None else shown_as(getattr(model, source))
            for name, source, shown_as in readers_of(type(self))
        }

    @classmethod
    def of_rows(cls, query, rows, only=None):
        """Return what the serializer shows of these rows of a query, without making models of them.

        `only` names the fields to show; None: all that the query reads.
        """
        readers = column_readers_of(cls, tuple(query.columns)) if query else []
        if only is not None:
            readers = [reader for reader in readers if reader[0] in only]
        return [
            {name: row[place] if shown_as is None else shown_as(row[place]) for name, place, shown_as in readers}
            for row in rows
        ]


@cache
def readers_of(serializer_class):
    """Return (name, attribute of the model, how it is shown) of each field that is shown."""
    return [(name, source, SHOWN_AS[kind]) for name, source, kind in fields_of(serializer_class)]


@cache
def column_readers_of(serializer_class, columns):
    """Return (name, place in the row, how it is shown) of each field that is among these columns."""
    shown_as = SHOWN_FROM_COLUMN[connection.vendor]
    places = {name.removeprefix("short_"): place for place, name in enumerate(columns)}
    return [
        (name, places[source], shown_as[kind]) for name, source, kind in fields_of(serializer_class) if source in places
    ]


def fields_of(serializer_class):
    return [
        (name, field.source or name, type(field))
        for name, field in serializer_class().fields.items()
        if not isinstance(field, serializers.SerializerMethodField)
    ]
