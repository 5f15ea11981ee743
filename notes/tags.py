"""Tags as text. No ORM, no HTTP."""

import unicodedata

MAX_TAGS = 50
MAX_TAG_CHARS = 50
# Folding case makes three characters of some (ΐ), never more.
MAX_TAG_KEY_CHARS = 3 * MAX_TAG_CHARS


def normalize(names):
    """Return the tags trimmed and in Unicode NFC, without those that differ from an earlier one by case only."""
    unique = {}
    for name in names:
        name = unicodedata.normalize("NFC", name.strip())
        unique.setdefault(key(name), name)
    return list(unique.values())


def key(name):
    """Return what two spellings of the same tag have in common."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name.strip()).casefold())


def split(text):
    """Return the tags of comma-separated text: how people type them into a form."""
    return normalize(part for part in text.split(",") if part.strip())
