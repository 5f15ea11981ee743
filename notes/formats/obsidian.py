"""A vault of Obsidian: a folder, or a zip of it.

Source: the rules for tags in help.obsidian.md, as github.com/licht1stein/obsidian.el/issues/61 quotes them.
"""

import re
from pathlib import PurePosixPath

from notes.formats import items
from notes.markdown import (
    CREATED_KEYS,
    UPDATED_KEYS,
    Unusable,
    date_of,
    metadata_of,
    name_of_date,
    split_front_matter,
)

CODE = re.compile(r"^(`{3,}|~{3,}).*?(?:^\1|\Z)|`[^`\n]*`", re.DOTALL | re.MULTILINE)
# Obsidian wants one character that is no digit.
TAG_IN_TEXT = re.compile(r"(?<!\S)#(?=[\d/_-]*[^\W\d])([\w/-]+)")


def read(path, source):
    return items.read_each(path, {".md"}, read_note, source)


def read_note(member, source):
    front_matter, body = split_front_matter(member.read().removeprefix("\ufeff"))
    known = {name.lower(): value for name, value in front_matter.items()}
    dates = {name_of_date(known, CREATED_KEYS), name_of_date(known, UPDATED_KEYS)}
    path = PurePosixPath(member.path)
    modified_at = items.moment(member.modified_at, seconds=1)
    updated_at = date_of(known, UPDATED_KEYS)
    folder = {} if path.parent == PurePosixPath() else {"folder": str(path.parent)}
    return items.note(
        id=items.id_of("obsidian", member.path, source),
        path=member.path,
        # Links name the file. A `title` is a property as any other.
        title=path.stem,
        body=body,
        tags=[*tags_of(known.get("tags")), *tags_of(known.get("tag")), *TAG_IN_TEXT.findall(CODE.sub("", body))],
        metadata=folder | metadata_of(front_matter, {"tags", "tag", *dates}),
        # A copied file is younger than its text.
        created_at=date_of(known, CREATED_KEYS) or min(filter(None, (updated_at, modified_at)), default=None),
        updated_at=updated_at or modified_at,
    )


def tags_of(value):
    """Return the tags of a list, or of text with commas or spaces, without `#`."""
    names = re.split(r"[,\s]+", value) if isinstance(value, str) else value or []
    if not isinstance(names, list) or not all(isinstance(name, str | None) for name in names):
        raise Unusable("a tag is not text")
    return [name.removeprefix("#") for name in names if name]
