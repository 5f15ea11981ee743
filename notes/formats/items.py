"""What the readers share: an item of another program as a NoteFile."""

import uuid
from datetime import UTC, datetime, timedelta

from notes import content
from notes.formats import archives
from notes.markdown import (
    FILE_NAMESPACE,
    BadFile,
    NoteFile,
    Unusable,
    held_to,
    metadata_value,
    printable,
    within_limits,
)

# No folder lies in itself, but a file may say so.
MAX_DEPTH = 50
MAX_NAME_CHARS = 200
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_each(path, endings, read_note, source):
    """Yield what `read_note(member, source)` makes of each file whose name ends so; a BadFile if it is Unusable."""
    for member in archives.members(path, endings):
        if isinstance(member, BadFile):
            yield member
            continue
        try:
            yield read_note(member, source)
        except Unusable as error:
            yield BadFile(printable(member.path), str(error))


def id_of(program, key, source):
    """Return the note's id, the same in every import. `key` is the item's own id or path. Never change it."""
    try:
        return str(uuid.uuid5(FILE_NAMESPACE, f"{source}\0{program}\0{key}"))
    except UnicodeEncodeError:
        raise Unusable("its id is not text") from None


def note(*, id, path, title, body, tags=(), metadata, created_at, updated_at):
    """Return the NoteFile, or raise Unusable. A title or a tag that a note may not have is kept in the metadata.

    Without a title it is the first line with visible text, or else the path. A missing date is the other one.
    """
    if not all(isinstance(text, str) for text in (title, body, *tags)):
        raise Unusable("its title, its text or a tag is not text")
    if not (created_at or updated_at):
        raise Unusable("it has no date")
    created_at, updated_at = created_at or updated_at, updated_at or created_at
    fitting, others = fitting_tags(tags)
    more = {"title": title} if len(title) > content.MAX_TITLE_CHARS else {}
    more |= {"tags": others} if others else {}
    try:
        metadata, left_out = within_limits(more | {name: metadata_value(value) for name, value in metadata.items()})
    except RecursionError:
        raise Unusable("its values are nested too deeply") from None
    title = next(line for line in (title, *body.split("\n"), path) if content.is_visible(line))
    return NoteFile(
        id=id,
        path=path,
        title=held_to(content.title, title[: content.MAX_TITLE_CHARS]),
        body=held_to(content.body, body),
        tags=fitting,
        metadata=metadata,
        created_at=created_at,
        updated_at=max(created_at, updated_at),
        left_out=tuple(left_out),
    )


def fitting_tags(names):
    """Return (the tags that a note may have, the other names)."""
    fitting, others = [], []
    for name in names:
        try:
            fitting = content.tags([*fitting, name])
        except content.NotAllowed:
            others.append(name)
    return fitting, others


def moment(number, **unit):
    """Return the moment so long after 1970, as in `moment(1_700_000_000, seconds=1)`; of 0 and None None."""
    try:
        return EPOCH + number * timedelta(**unit) if number else None
    except (TypeError, ValueError, OverflowError):
        raise Unusable(f"{str(number)[:40]} is no date") from None


def path_of(key, titles):
    """Return the titles of a folder and those around it, as in `Home/Garden`. `titles` has {key: (title, parent)}."""
    path = []
    while key in titles and len(path) < MAX_DEPTH:
        title, key = titles[key]
        path.insert(0, title)
    return "/".join(path)


def told(values):
    """Return only the values that tell something."""
    return {name: value for name, value in values.items() if value not in (None, False, "", "DEFAULT", [], {})}
