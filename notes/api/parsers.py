"""Parsers of bodies: strict JSON, Markdown, plain text, and the forms of the browsable API.

Each gives the dict that JSON would give.

JSON follows RFC 8259 and RFC 7493: where a lenient parser would guess, this one answers 400.
"""

import json
import math
import re

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from rest_framework.exceptions import ParseError, UnsupportedMediaType, ValidationError
from rest_framework.parsers import BaseParser, JSONParser, MultiPartParser

from notes import markdown
from notes.api.problems import RequestTooLarge
from notes.api.query_params import number_in
from notes.content import NotAllowed, refuse_unstorable, split_tags, utc_text

MAX_DEPTH = 20
MAX_DIGITS = 1000
# Listing the errors of a million values takes half a minute. A batch of notes has 6,000 values at most.
MAX_VALUES = 10_000
LEFT_OUT_IF_EMPTY = {"id", "metadata", "created_at", "updated_at", "count", "expires_at"}
# What a form sends in a hidden field, as it cannot set headers.
HEADERS_OF_FORMS = {"csrfmiddlewaretoken": settings.CSRF_HEADER_NAME, "if_match": "HTTP_IF_MATCH"}
# Possessive, and it also matches an unterminated string: it looks at each character once and never backtracks.
STRING = re.compile(r'"(?:[^"\\]++|\\.?)*+"?', re.DOTALL)
EMPTY = re.compile(r"\[\s*+]|{\s*+}")


class StrictJSONParser(JSONParser):
    def parse(self, stream, media_type=None, parser_context=None):
        """Return the parsed body.

        Raises ParseError if the body is not UTF-8 or not JSON, UnsupportedMediaType if its Content-Type says so, and
        RequestTooLarge over NOTES_MAX_REQUEST_BYTES.
        """
        return json_in(text_in(stream, media_type, parser_context["request"]))


class MergePatchParser(StrictJSONParser):
    """Takes the JSON of a PATCH under the name that RFC 7396 gives it."""

    media_type = "application/merge-patch+json"


def json_in(text):
    """Return what the JSON says. Raise ParseError if it is none, ValidationError for text that nothing can store."""
    try:
        refuse_too_many_values(text)
        document = json.loads(
            text,
            object_pairs_hook=dict_without_duplicates,
            parse_constant=refuse_constant,
            parse_int=bounded_integer,
            parse_float=finite_float,
        )
    except RecursionError:
        raise ParseError(f"The JSON is nested deeper than {MAX_DEPTH} levels.") from None
    except json.JSONDecodeError as error:
        raise ParseError(f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from None
    except ValueError as error:
        raise ParseError(f"The body is not JSON: {error}") from None
    refuse_unstorable_in(document)
    return document


def text_in(stream, media_type, request):
    """Return the body as text. Raise for another charset than UTF-8, and over NOTES_MAX_REQUEST_BYTES."""
    # DRF matches content types like Accept, so `*/*` would reach a parser.
    if "*" in media_type:
        raise UnsupportedMediaType(media_type)
    charset = request.content_params.get("charset", "utf-8")
    if charset.lower() not in {"utf-8", "utf8"}:
        raise UnsupportedMediaType(media_type, detail=f"A body is UTF-8; charset={charset} is not supported.")
    body = stream.read(settings.NOTES_MAX_REQUEST_BYTES + 1)
    if len(body) > settings.NOTES_MAX_REQUEST_BYTES:
        raise RequestTooLarge
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise ParseError("The body is not valid UTF-8.") from None


class PlainTextParser(BaseParser):
    """A body alone. A new note takes its title from the first heading."""

    media_type = "text/plain"

    def parse(self, stream, media_type=None, parser_context=None):
        fields = self.fields_of(text_in(stream, media_type, parser_context["request"]))
        refuse_unstorable_in(fields)
        return fields

    def fields_of(self, text):
        title = markdown.first_heading(text)
        return {"body": text, **({"title": title} if title else {})}


def is_plain_text(request):
    return request.content_type.partition(";")[0].strip().lower() == PlainTextParser.media_type


class MarkdownParser(PlainTextParser):
    """A note as Markdown, with or without front matter (RFC 7763)."""

    media_type = "text/markdown"

    def fields_of(self, text):
        try:
            said = markdown.read_text(text, is_id=lambda value: True)
        except markdown.Unusable as error:
            reason = f"{error}."
            detail = reason[0].upper() + reason[1:]
            raise ValidationError({error.field: [detail]}) if error.field else ParseError(detail) from None
        fields = {
            "id": said.id,
            "title": said.title,
            "body": said.body,
            "tags": said.tags,
            "metadata": said.metadata,
            "created_at": utc_text(said.created_at),
            "updated_at": utc_text(said.updated_at),
        }
        return {name: value for name, value in fields.items() if value is not None}


class AddedPlainTextParser(PlainTextParser):
    """Text to be added to a body. It is never read as front matter."""

    def fields_of(self, text):
        return {"text": text}


class AddedMarkdownParser(AddedPlainTextParser):
    media_type = "text/markdown"


class FormParser(MultiPartParser):
    """Forms are for people who have logged in with a browser; programs send JSON."""

    def parse(self, stream, media_type=None, parser_context=None):
        """Return the fields as the dict that JSON would give: tags as a list, and no id that was left empty."""
        request = parser_context["request"]
        if settings.SESSION_COOKIE_NAME not in request.COOKIES:
            raise UnsupportedMediaType(media_type)
        try:
            form = super().parse(stream, media_type, parser_context)
        except RequestDataTooBig:
            raise RequestTooLarge from None
        except (ParseError, SuspiciousOperation):
            raise ParseError("The form is malformed or has too many fields.") from None
        if form.files:
            raise ParseError("Files are not taken; send text.")
        # Browsers send every newline of a text area as CR LF, even if the text had LF before.
        fields = {name: text.replace("\r\n", "\n") for name, text in form.data.items()}
        for name, header in HEADERS_OF_FORMS.items():
            if value := fields.pop(name, None):
                request.META.setdefault(header, value)
        if "tags" in fields:
            fields["tags"] = split_tags(fields["tags"])
        fields = {name: value for name, value in fields.items() if value or name not in LEFT_OUT_IF_EMPTY}
        if "metadata" in fields:
            fields["metadata"] = metadata_in(fields["metadata"])
        if "count" in fields:
            fields["count"] = number_in(fields["count"])
        return fields


def metadata_in(text):
    """Return the metadata that somebody wrote as JSON; the text itself, to be refused, if it is none."""
    try:
        return json_in(text)
    except (ParseError, ValidationError):
        return text


def refuse_too_many_values(text):
    """Raise before the JSON is parsed: a million empty lists take a second and a hundred megabytes."""
    separators = ",[{"
    if sum(map(text.count, separators)) > MAX_VALUES:
        # Ignore separators inside strings. A list or object that is not empty holds one value more than it has commas.
        bare = STRING.sub('""', text)
        values = sum(map(bare.count, separators))
        if values > MAX_VALUES and values - EMPTY.subn("", bare)[1] > MAX_VALUES:
            raise ParseError(f"The JSON holds more than {MAX_VALUES} values.")


def dict_without_duplicates(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        # One pass: counting each name would take minutes for a body full of names.
        seen = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))
        raise ValueError(f"the name {twice[:100]!a} stands twice in one object.")
    return members


def refuse_constant(name):
    raise ValueError(f"{name} is not a JSON number.")


def bounded_integer(text):
    # Python itself refuses more than 4300 digits, but its message is about Python.
    if len(text) > MAX_DIGITS:
        raise ValueError(f"the number {text[:20]}… is too large.")
    return int(text)


def finite_float(text):
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:20]}… is too large.")
    return number


def refuse_unstorable_in(document):
    """Raise for NUL and lone surrogates, which no database column and no UTF-8 answer can hold.

    Raise for a document that is nested too deep as well.
    """
    # A place is (parent place, name, value). Only a refused value gets its path written out: ten thousand values below
    # a name of a megabyte would make ten gigabytes of paths.
    level = [(None, "", document)]
    for _ in range(MAX_DEPTH):
        following = []
        for place in level:
            value = place[-1]
            if isinstance(value, str):
                refuse_text(place, value)
            elif isinstance(value, list):
                following += [(place, number, child) for number, child in enumerate(value)]
            elif isinstance(value, dict):
                for name in value:
                    refuse_text(place, name)
                following += [(place, name, child) for name, child in value.items()]
        if not following:
            return
        level = following
    raise ParseError(f"The JSON is nested deeper than {MAX_DEPTH} levels.")


def refuse_text(place, text):
    try:
        refuse_unstorable("text", text)
    except NotAllowed as error:
        raise ValidationError({path_of(place): [error.detail]}, code=error.code) from None


def path_of(place):
    names = []
    while place:
        place, name, _ = place
        names.insert(0, str(name))
    return ".".join(names[1:])
