"""What a note may hold: title, body and tags in the form in which they are stored. No ORM, no HTTP.

Each rule returns the normal form or raises NotAllowed. What a note holds already may stay, whatever the rule was then.
"""

import re
import unicodedata

from django.conf import settings

MAX_TITLE_CHARS = 200
MAX_TAGS = 50
MAX_TAG_CHARS = 50
# Folding case makes three characters of some (ΐ), never more.
MAX_FOLDED_TAG_CHARS = 3 * MAX_TAG_CHARS

# Separators, control and format characters, surrogates; and marks, which show on a letter only.
UNSEEN = {"Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Mn", "Mc", "Me"}
# Letters and symbols that are blank all the same, and what Unicode keeps free for invisible characters.
BLANK = re.compile("[\u115f\u1160\u2065\u2800\u3164\uffa0\ufff0-\ufff8\U0001d159\U000e0000-\U000e0fff]")


class NotAllowed(Exception):
    """A note may not hold this. `detail` is a sentence for whoever wrote it, `code` is for programs."""

    def __init__(self, field, code, detail):
        super().__init__(detail)
        self.field, self.code, self.detail = field, code, detail


def allowed(columns, stored=None):
    """Return these columns of a note in their normal form. `stored` is the note that is to be changed, if there is one.

    Raises NotAllowed. Other columns than title, body and tags are returned as they are.
    """
    rules = {"title": title, "body": body, "tags": tags}
    return {
        name: rules[name](value, getattr(stored, name, None)) if name in rules else value
        for name, value in columns.items()
    }


def title(text, stored=None):
    if text == stored:
        return text
    refuse_unstorable("title", text)
    if not is_visible(text):
        raise NotAllowed("title", "blank", "A title has at least one visible character.")
    if len(text) > MAX_TITLE_CHARS:
        detail = f"A title has at most {MAX_TITLE_CHARS} characters; this one has {len(text)}."
        raise NotAllowed("title", "max_length", detail)
    return text


def body(text, stored=None):
    if text == stored:
        return text
    refuse_unstorable("body", text)
    refuse_long_body(len(text), stored)
    return text


def refuse_long_body(chars, stored=None):
    """Raise NotAllowed for so many characters. A body from before the limit was lowered may not become longer."""
    limit = max(settings.NOTES_MAX_BODY_CHARS, len(stored or ""))
    if chars > limit:
        raise NotAllowed("body", "max_length", f"A body has at most {limit} characters; this one has {chars}.")


def tags(names, stored=None):
    """Return the tags as `tag` does, without those that differ from an earlier one by case only."""
    normal = unique(map(normalize, names))
    if normal == stored:
        return normal
    for name in normal:
        tag(name)
    if len(normal) > MAX_TAGS:
        raise NotAllowed("tags", "max_length", f"A note has at most {MAX_TAGS} tags; these are {len(normal)}.")
    return normal


def tag(name):
    """Return the tag trimmed and in Unicode NFC. Its length counts in that form: composing can make it longer."""
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


def normalize(name):
    return unicodedata.normalize("NFC", name.strip())


def unique(names):
    """Return the first of all spellings of each tag, in order."""
    first = {}
    for name in names:
        first.setdefault(folded(name), name)
    return list(first.values())


def folded(name):
    """Return what two spellings of the same tag have in common."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name.strip()).casefold())


def split_tags(line):
    """Return the tags of comma-separated text: how people type them into a form."""
    return [part.strip() for part in line.split(",") if part.strip()]


def is_visible(text):
    """Tell whether the text has a character that shows, by its Unicode category.

    Those that this Python does not know yet count as visible: new emoji and scripts.
    """
    return any(unicodedata.category(char) not in UNSEEN and not BLANK.match(char) for char in text)


def refuse_unstorable(field, text, *, noun=None):
    """Raise NotAllowed for text that no database column and no UTF-8 answer can hold: NUL and lone surrogates."""
    if "\x00" in text:
        detail = f"A {noun or field} has no NUL character in it."
        raise NotAllowed(field, "null_characters_not_allowed", detail)
    try:
        text.encode()
    except UnicodeEncodeError:
        detail = f"A {noun or field} has no lone surrogate in it."
        raise NotAllowed(field, "surrogate_characters_not_allowed", detail) from None
