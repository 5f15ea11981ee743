"""What a note may hold: title, body, tags and metadata in the form in which they are stored. No ORM, no HTTP.

Each rule returns the normal form or raises NotAllowed. A note may keep what it already holds, even if the rule is
stricter now.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
from django.conf import settings

MAX_TITLE_CHARS = 200
MAX_TAGS = 50
MAX_TAG_CHARS = 50
# Case folding turns one character into at most three (ΐ).
MAX_FOLDED_TAG_CHARS = 3 * MAX_TAG_CHARS
MAX_METADATA_NAMES = 50
MAX_METADATA_NAME_CHARS = 64
MAX_METADATA_TEXT_CHARS = 1_000
MAX_METADATA_BYTES = 16_000

# Separators, control and format characters, surrogates, and marks, which show only on a letter.
UNSEEN = {"Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Mn", "Mc", "Me"}
# Letters and symbols that look blank, and code points that Unicode reserves for invisible characters.
BLANK = re.compile("[\u115f\u1160\u2065\u2800\u3164\uffa0\ufff0-\ufff8\U0001d159\U000e0000-\U000e0fff]")

BREAKS_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class NotAllowed(Exception):
    """A note may not hold this. `detail` is a sentence for whoever wrote it, `code` is for programs."""

    def __init__(self, field: str, code: str, detail: str) -> None:
        super().__init__(detail)
        self.field, self.code, self.detail = field, code, detail


def allowed(columns: dict[str, Any], stored: object = None) -> dict[str, Any]:
    """Return these columns of a note in their normal form. `stored` is the note to be changed, if any.

    Raises NotAllowed. Columns without a rule here are returned unchanged.
    """
    rules: dict[str, Callable[..., Any]] = {"title": title, "body": body, "tags": tags, "metadata": metadata}
    return {
        name: rules[name](value, getattr(stored, name, None)) if name in rules else value
        for name, value in columns.items()
    }


def differs(value: Any, other: Any) -> bool:
    """Tell whether two values of a column differ. The order of names is no difference, 1 and true are one.

    To Python they are equal.
    """
    if isinstance(value, dict) and isinstance(other, dict):
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS) != orjson.dumps(other, option=orjson.OPT_SORT_KEYS)
    return bool(value != other)


def title(text: str, stored: str | None = None) -> str:
    if text == stored:
        return text
    refuse_unstorable("title", text)
    if not is_visible(text):
        raise NotAllowed("title", "blank", "A title has at least one visible character.")
    if len(text) > MAX_TITLE_CHARS:
        detail = f"A title has at most {MAX_TITLE_CHARS} characters; this one has {len(text)}."
        raise NotAllowed("title", "max_length", detail)
    return text


def body(text: str, stored: str | None = None) -> str:
    if text == stored:
        return text
    refuse_unstorable("body", text)
    refuse_long_body(len(text), stored)
    return text


def refuse_long_body(chars: int, stored: str | None = None) -> None:
    """Raise NotAllowed for a body of this many characters.

    A stored body that exceeds a lowered limit may stay, but not grow.
    """
    limit = max(settings.NOTES_MAX_BODY_CHARS, len(stored or ""))
    if chars > limit:
        raise NotAllowed("body", "max_length", f"A body has at most {limit} characters; this one has {chars}.")


def tags(names: Iterable[str], stored: list[str] | None = None) -> list[str]:
    """Return the tags as `tag` does. Of tags that differ only in case, the first stays; the limit counts them all."""
    names = list(names)
    normal = unique(map(normalize, names))
    if normal == stored:
        return normal
    for name in normal:
        tag(name)
    if len(names) > MAX_TAGS:
        raise NotAllowed("tags", "max_length", f"A note has at most {MAX_TAGS} tags; these are {len(names)}.")
    return normal


def tag(name: str) -> str:
    """Return the tag trimmed and in Unicode NFC. The limit applies to that form, since NFC can lengthen a text."""
    name = normalize(name)
    refuse_unstorable("tags", name, noun="tag")
    if not name:
        raise NotAllowed("tags", "blank", "A tag has at least one visible character.")
    if "," in name:
        raise NotAllowed("tags", "comma", "A tag has no comma in it.")
    if len(name) > MAX_TAG_CHARS:
        detail = f"A tag has at most {MAX_TAG_CHARS} characters; “{name[:20]}…” has {len(name)}."
        raise NotAllowed("tags", "max_length", detail)
    return name


def normalize(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip())


def unique(names: Iterable[str]) -> list[str]:
    """Return each tag once, in its first spelling and in order."""
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(folded(name), name)
    return list(first.values())


def folded(name: str) -> str:
    """Return the form that all spellings of a tag share."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name.strip()).casefold())


def split_tags(line: str) -> list[str]:
    """Return the tags of comma-separated text: how people type them into a form."""
    return [part.strip() for part in line.split(",") if part.strip()]


def metadata(members: Any, stored: object = None) -> dict[str, Any]:
    """Return the names with their values: text, lists of texts, numbers, booleans. Their order stays."""
    if not isinstance(members, dict):
        raise NotAllowed("metadata", "invalid", "Metadata is an object: names with values.")
    if len(members) > MAX_METADATA_NAMES:
        detail = f"Metadata has at most {MAX_METADATA_NAMES} names; these are {len(members)}."
        raise NotAllowed("metadata", "max_length", detail)
    normal = {metadata_name(name): metadata_value(name, value) for name, value in members.items()}
    size = len(metadata_text(normal))
    if size > MAX_METADATA_BYTES:
        detail = f"Metadata has at most {MAX_METADATA_BYTES} bytes as JSON; this has {size}."
        raise NotAllowed("metadata", "max_length", detail)
    return normal


def metadata_name(name: str) -> str:
    refuse_unstorable("metadata", name, noun="name in metadata")
    if not is_visible(name):
        raise NotAllowed("metadata", "blank", "A name in metadata has at least one visible character.")
    if BREAKS_A_LINE.search(name):
        raise NotAllowed("metadata", "one_line", "A name in metadata is one line of visible text.")
    if len(name) > MAX_METADATA_NAME_CHARS:
        detail = f"A name in metadata has at most {MAX_METADATA_NAME_CHARS} characters; “{name[:20]}…” has {len(name)}."
        raise NotAllowed("metadata", "max_length", detail)
    return name


def metadata_value(name: str, value: Any) -> Any:
    field = f"metadata.{name}"
    if value is None:
        raise NotAllowed(field, "null", "A value in metadata is never null.")
    if isinstance(value, list):
        return [item_of_list(field, item) for item in value]
    if isinstance(value, str):
        return short_text(field, value)
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return exact_number(field, value)
    raise NotAllowed(field, "invalid", "A value in metadata is text, a list of texts, a number, true or false.")


def item_of_list(field: str, item: Any) -> str:
    if not isinstance(item, str):
        raise NotAllowed(field, "invalid", "A list in metadata has texts alone.")
    return short_text(field, item)


def short_text(field: str, text: str) -> str:
    refuse_unstorable(field, text, noun="text in metadata")
    if len(text) > MAX_METADATA_TEXT_CHARS:
        detail = f"A text in metadata has at most {MAX_METADATA_TEXT_CHARS} characters; this one has {len(text)}."
        raise NotAllowed(field, "max_length", detail)
    return text


def exact_number(field: str, number: float) -> float:
    """Return the number as JavaScript would send it back: 1.0 as 1, and nothing that a double cannot hold."""
    try:
        double = float(number)
    except OverflowError:
        double = math.inf
    if not math.isfinite(double) or double != number:
        detail = "This number has more digits than JSON keeps exactly; send it as text."
        raise NotAllowed(field, "invalid", detail)
    return int(double) if double.is_integer() and abs(double) < 2**53 else double


def metadata_text(members: Any) -> bytes:
    """Return metadata, or a value of it, as compact JSON in UTF-8."""
    return orjson.dumps(members)


def metadata_to_edit(members: dict[str, Any]) -> str:
    """Return metadata as JSON that people read and edit."""
    return orjson.dumps(members, option=orjson.OPT_INDENT_2).decode() if members else ""


def merged(members: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata with the patch applied to it: null removes a name (RFC 7396)."""
    return {name: value for name, value in {**members, **patch}.items() if value is not None}


def metadata_pairs(members: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each name with the text of its value, as filters compare it; of a list with the text of each member.

    The text of a number or a boolean is its JSON.
    """
    for name, value in members.items():
        for one in value if isinstance(value, list) else [value]:
            yield name, one if isinstance(one, str) else metadata_text(one).decode()


def metadata_lines(members: dict[str, Any]) -> list[str]:
    """Return a line for each name, to be read and compared by people."""
    return [f"{name}: {metadata_text(value).decode()}" for name, value in members.items()]


def utc_text(moment: datetime | None) -> str | None:
    """Return a moment as all faces show it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


def is_visible(text: str) -> bool:
    """Tell whether the text has a visible character, by its Unicode category.

    Characters that this Python does not know yet (new emoji and scripts) count as visible.
    """
    return any(unicodedata.category(char) not in UNSEEN and not BLANK.match(char) for char in text)


def refuse_unstorable(field: str, text: str, *, noun: str | None = None) -> None:
    """Raise NotAllowed for NUL and lone surrogates: no database column and no UTF-8 answer can hold them."""
    if "\x00" in text:
        detail = f"A {noun or field} has no NUL character in it."
        raise NotAllowed(field, "null_characters_not_allowed", detail)
    try:
        text.encode()
    except UnicodeEncodeError:
        detail = f"A {noun or field} has no lone surrogate in it."
        raise NotAllowed(field, "surrogate_characters_not_allowed", detail) from None
