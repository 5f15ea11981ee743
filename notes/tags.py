"""Tags as text. No ORM, no HTTP."""

import unicodedata

MAX_TAGS = 50
MAX_TAG_CHARS = 50


def normalize(names):
    """Return the tags trimmed and in Unicode NFC, without those that differ from an earlier one by case only."""
    unique = {}
    for name in names:
        name = unicodedata.normalize("NFC", name.strip())
        unique.setdefault(name.casefold(), name)
    return list(unique.values())


def split(text):
    """Return the tags of comma-separated text: how people type them into a form."""
    return normalize(part for part in text.split(",") if part.strip())
