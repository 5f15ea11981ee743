"""Joplin's exports: JEX, which is a tar, and RAW, a folder with the same files.

Source: notes in public repositories that Joplin wrote, and the tests of importers. A file is the title, the text, and
lines of `name: value`, with a blank line between them.
"""

import re
import uuid
from collections import defaultdict

from notes.formats import archives, items
from notes.markdown import BadFile, TrashedFile, Unquoted, Unusable, date_of, printable, typed

NOTE, NOTEBOOK, TAG, NOTE_TAG = "1", "2", "5", "6"
ID = re.compile(r"[0-9a-f]{32}")
# A person may set the dates of a note.
CREATED_KEYS, UPDATED_KEYS = ["user_created_time", "created_time"], ["user_updated_time", "updated_time"]
PLACES = {"id", "parent_id", "type_", "markup_language", "encryption_applied", *CREATED_KEYS, *UPDATED_KEYS}
NOTHING = re.compile(r"[0.]*")
MARKDOWN = "1"


def read(path, source):
    """Yield the notes. Their ids are Joplin's own, whatever the source."""
    # Notebooks and tags may stand behind the notes, so all is read twice.
    notebooks, tags, tags_of = {}, {}, {}
    for _, _, said in texts(path):
        # All of these are kept at once.
        short = defaultdict(str, {name: value[: items.MAX_NAME_CHARS] for name, value in said.items()})
        if said.get("type_") == NOTEBOOK:
            notebooks[short["id"]] = (short["title"], short["parent_id"])
        elif said.get("type_") == TAG:
            tags[short["id"]] = short["title"]
        elif said.get("type_") == NOTE_TAG:
            tags_of.setdefault(short["note_id"], []).append(short["tag_id"])
    for member, body, said in texts(path, told=True):
        if isinstance(member, BadFile):
            yield member
        elif said.get("type_") == NOTE:
            try:
                names = [tags[key] for key in tags_of.get(said.get("id"), []) if key in tags]
                yield read_note(member.path, said, body, names, items.path_of(said.get("parent_id"), notebooks))
            except Unusable as error:
                yield BadFile(printable(member.path), str(error))


def texts(path, *, told=False):
    """Yield (member, text, values) of each item, and if `told` (BadFile, "", {}) in place of what cannot be read."""
    for member in archives.members(path, {".md"}):
        try:
            if not isinstance(member, BadFile):
                yield member, *split(member.read())
            elif told:
                yield member, "", {}
        except Unusable as error:
            if told:
                yield BadFile(printable(member.path), str(error)), "", {}


def split(text):
    """Return (text of the note, its values with `title` among them)."""
    text = text.rstrip("\n")
    head, _, tail = text.rpartition("\n\n")
    title, _, body = head.partition("\n")
    values = dict(line.partition(":")[::2] for line in tail.split("\n"))
    said = {name.strip(): value.strip() for name, value in values.items()}
    if "type_" not in said:
        raise Unusable("it is no item of Joplin")
    return body.removeprefix("\n"), said | {"title": title}


def read_note(path, said, body, tags, folder):
    if said.get("encryption_applied") == "1":
        raise Unusable("it is encrypted; decrypt it in Joplin first")
    if not NOTHING.fullmatch(said.get("deleted_time", "")):
        return TrashedFile(path)
    if not ID.fullmatch(said.get("id", "")):
        raise Unusable("its id is not one of Joplin's")
    rest = {name: typed(Unquoted(value)) for name, value in said.items() if not NOTHING.fullmatch(value)}
    metadata = {name: value for name, value in rest.items() if name not in PLACES | {"title"}}
    if said.get("markup_language", MARKDOWN) != MARKDOWN:
        metadata["markup_language"] = said["markup_language"]
    return items.note(
        id=str(uuid.UUID(said["id"])),
        path=path,
        title=said["title"],
        body=body,
        tags=tags,
        metadata=items.told({"notebook": folder, **metadata}),
        created_at=date_of(said, CREATED_KEYS),
        updated_at=date_of(said, UPDATED_KEYS),
    )
