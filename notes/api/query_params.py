"""Query parameters. An unknown, repeated or wrong one is a 400 that names it."""

from collections.abc import Set
from functools import cache
from typing import Any, Self
from uuid import UUID

from django.http import QueryDict
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.settings import api_settings

from notes.api.fields import Text, parsed_uuid

MAX_NUMBER = 2**63 - 1


def invalid_parameter(name: str, detail: str) -> ValidationError:
    return ValidationError({name: [detail]}, code="query_parameter")


def raise_400_for_unknown(request: Request, known: Set[str], repeatable: Set[str] = frozenset()) -> None:
    errors = {}
    for name, values in request.query_params.lists():
        if family_of(name) not in {*known, api_settings.URL_FORMAT_OVERRIDE}:
            errors[ascii(name).strip("'")] = ["There is no such query parameter."]
        elif len(values) > 1 and family_of(name) not in repeatable:
            errors[name] = ["This parameter stands twice."]
        elif any("\x00" in value for value in values):
            errors[name] = ["Null characters are not allowed."]
    if errors:
        raise ValidationError(errors, code="query_parameter")


def leave_out_empty(request: Request) -> None:
    """Forget the parameters without a value: a browser sends every field of a form, also those left empty."""
    given = QueryDict(mutable=True)
    for name, values in request.query_params.lists():
        for value in filter(None, values):
            given.appendlist(name, value)
    request._request.GET = given


def family_of(name: str) -> str:
    """Return `metadata.` for `metadata.author`; a name without a dot is a family of its own."""
    return name[: name.find(".") + 1] or name


def number_in(text: str) -> int | None:
    """Return the int written in ASCII digits, or None. int() alone would take "+1", "1_0" and other scripts' digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_NUMBER)) else None


class QueryParams(serializers.Serializer):
    """The query parameters of a view: it reads them by these fields, and the OpenAPI document shows the same fields."""

    # Parameters that may be given more than once.
    repeatable: frozenset[str] = frozenset()

    @classmethod
    def names(cls) -> frozenset[str]:
        """Return the names; of a field that takes a family of names, what they begin with: `metadata.`."""
        fields = cls._declared_fields.items()
        return frozenset(f"{name}." if isinstance(field, Family) else name for name, field in fields)

    @classmethod
    def of(cls, request: Request) -> dict[str, Any]:
        """Return the values by name. Raise a ValidationError that names the wrong ones."""
        given: dict[str, Any] = {}
        for name, values in request.query_params.lists():
            family, dot, member = name.partition(".")
            if dot:
                given.setdefault(family, {})[member] = values
            else:
                given[name] = values if name in cls.repeatable else values[0]
        return cls.reader().run_validation(given) if given else dict(cls.defaults())

    @classmethod
    @cache
    def defaults(cls) -> dict[str, Any]:
        """Return the values of a request without parameters, as most are."""
        return cls.reader().run_validation({})

    @classmethod
    @cache
    def reader(cls) -> Self:
        """Return the one instance that all requests share: making its fields takes longer than reading with them."""
        return cls()


class Family(serializers.DictField):
    """Parameters that share the part of their name before a dot: {"author": ["Ada"]} for `metadata.author=Ada`."""

    child = serializers.ListField(child=Text(allow_blank=True))


class WholeNumber(serializers.IntegerField):
    """A whole number in ASCII digits. One error message names both bounds."""

    def __init__(self, *, min_value: int = 0, max_value: int = MAX_NUMBER, **kwargs: Any) -> None:
        super().__init__(min_value=min_value, max_value=max_value, **kwargs)

    def to_internal_value(self, text: str) -> int:
        number = number_in(text)
        if number is None or not self.min_value <= number <= self.max_value:
            detail = f"Write a whole number from {self.min_value} to {self.max_value}."
            raise serializers.ValidationError(detail, code="query_parameter")
        return number


class Names(serializers.CharField):
    """Names separated by commas, each of which must be in a given list."""

    def __init__(self, names: list[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.names = names

    def to_internal_value(self, value: str) -> list[str]:
        names: list[str] = super().to_internal_value(value).split(",")
        unknown = [name for name in names if name not in self.names]
        if unknown:
            raise serializers.ValidationError(f"{unknown[0]!r} is none of {', '.join(self.names)}.")
        return names


class Ids(serializers.CharField):
    MAX_IDS = 100

    def to_internal_value(self, value: str) -> list[UUID]:
        ids = [parsed_uuid(text) for text in super().to_internal_value(value).split(",")]
        if None in ids or len(ids) > self.MAX_IDS:
            raise serializers.ValidationError(f"Write up to {self.MAX_IDS} UUIDs, separated by commas.")
        return ids
