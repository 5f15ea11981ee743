"""Query parameters: known, given once, within their bounds; or a 400 that names them."""

from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.settings import api_settings

from notes.api.fields import parsed_uuid

MAX_NUMBER = 2**63 - 1


def invalid_parameter(name, detail):
    return ValidationError({name: [detail]}, code="query_parameter")


def raise_400_for_unknown(request, known, repeatable=frozenset()):
    errors = {}
    for name, values in request.query_params.lists():
        if name not in {*known, api_settings.URL_FORMAT_OVERRIDE}:
            errors[ascii(name).strip("'")] = ["There is no such query parameter."]
        elif len(values) > 1 and name not in repeatable:
            errors[name] = ["This parameter stands twice."]
        elif any("\x00" in value for value in values):
            errors[name] = ["Null characters are not allowed."]
    if errors:
        raise ValidationError(errors, code="query_parameter")


def whole_number(request, name, *, default=None, least=0, most=MAX_NUMBER):
    """Return the parameter as an int within these bounds, or the default when it is not there."""
    text = request.query_params.get(name)
    if text is None:
        return default
    number = number_in(text)
    if number is None or not least <= number <= most:
        raise invalid_parameter(name, f"Write a whole number from {least} to {most}.")
    return number


def number_in(text):
    """Return the int that the text writes in ASCII digits, or None. int() alone takes "+1", "1_0" and other scripts."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_NUMBER)) else None


class Names(serializers.CharField):
    """Names from a list of them, separated by commas."""

    def __init__(self, names, **kwargs):
        super().__init__(**kwargs)
        self.names = names

    def to_internal_value(self, value):
        names = super().to_internal_value(value).split(",")
        unknown = [name for name in names if name not in self.names]
        if unknown:
            raise serializers.ValidationError(f"{unknown[0]!r} is none of {', '.join(self.names)}.")
        return names


class Ids(serializers.CharField):
    MAX_IDS = 100

    def to_internal_value(self, value):
        ids = [parsed_uuid(text) for text in super().to_internal_value(value).split(",")]
        if None in ids or len(ids) > self.MAX_IDS:
            raise serializers.ValidationError(f"Write up to {self.MAX_IDS} UUIDs, separated by commas.")
        return ids
