"""What a note may hold: title, body and tags in the form in which they are stored. No ORM, no HTTP.

Each rule returns the normal form or raises NotAllowed. A note may keep what it already holds, even if the rule is
stricter now.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings

MAX_TITLE_CHARS = 200
MAX_TAGS = 50
MAX_TAG_CHARS = 50
# Case folding turns one character into at most three (ΐ).
MAX_FOLDED_TAG_CHARS = 3 * MAX_TAG_CHARS

# Separators, control and format characters, surrogates, and marks, which show only on a letter.
UNSEEN = {"Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Mn", "Mc", "Me"}
# Letters and symbols that look blank, and code points that Unicode reserves for invisible characters.
BLANK = re.compile("[\u115f\u1160\u2065\u2800\u3164\uffa0\ufff0-\ufff8\U0001d159\U000e0000-\U000e0fff]")


class NotAllowed(Exception):
    """A note may not hold this. `detail` is a sentence for whoever wrote it, `code` is for programs."""

    def __init__(self, field: str, code: str, detail: str) -> None:
        super().__init__(detail)
        self.field, self.code, self.detail = field, code, detail


def allowed(columns: dict[str, Any], stored: object = None) -> dict[str, Any]:
    """Return these columns of a note in their normal form. `stored` is the note to be changed, if any.

    Raises NotAllowed. Columns other than title, body and tags are returned unchanged.
    """
    rules: dict[str, Callable[..., Any]] = {"title": title, "body": body, "tags": tags}
    return {
        name: rules[name](value, getattr(stored, name, None)) if name in rules else value
        for name, value in columns.items()
    }


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
    """Return the tags as `tag` does. Of tags that differ only in case, the first stays."""
    normal = unique(map(normalize, names))
    if normal == stored:
        return normal
    for name in normal:
        tag(name)
    if len(normal) > MAX_TAGS:
        raise NotAllowed("tags", "max_length", f"A note has at most {MAX_TAGS} tags; these are {len(normal)}.")
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
