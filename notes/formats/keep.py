"""Google Keep as Takeout exports it: a zip or a folder with a file of JSON for each note.

Source: the files in `formats/keep/testing-data` of github.com/obsidianmd/obsidian-importer.
"""

from pathlib import PurePosixPath

import orjson

from notes.formats import items
from notes.markdown import TrashedFile, Unusable

# The flags, and the names that they have here.
FLAGS = {"isPinned": "pinned", "isArchived": "archived"}
DATES = {"createdTimestampUsec", "userEditedTimestampUsec"}
# textContentHtml is the same text once more.
PLACES = {"title", "textContent", "textContentHtml", "listContent", "labels", "isTrashed", *DATES}


def read(path, source):
    return items.read_each(path, {".json"}, read_note, source)


def read_note(member, source):
    try:
        said = orjson.loads(member.read())
    except orjson.JSONDecodeError as error:
        raise Unusable(f"it is not JSON: {error}") from None
    if not isinstance(said, dict) or not DATES & said.keys():
        raise Unusable("it is no note of Google Keep")
    if said.get("isTrashed"):
        return TrashedFile(member.path)
    labels, lines = said.get("labels") or [], said.get("listContent") or []
    try:
        tags = [label["name"] for label in labels]
        boxes = "\n".join(box(line) for line in lines)
        body = "\n\n".join(text for text in (said.get("textContent"), boxes) if text)
    except (TypeError, KeyError, AttributeError):
        raise Unusable("its text, labels or list are not as Google Keep writes them") from None
    rest = {FLAGS.get(name, name): value for name, value in said.items() if name not in PLACES}
    return items.note(
        # The folder's name depends on the language. The names of the files differ.
        id=items.id_of("keep", PurePosixPath(member.path).name, source),
        path=member.path,
        title=said.get("title") or "",
        body=body,
        tags=tags,
        metadata=items.told(rest),
        created_at=items.moment(said.get("createdTimestampUsec"), microseconds=1),
        updated_at=items.moment(said.get("userEditedTimestampUsec"), microseconds=1),
    )


def box(line):
    return f"- [{'x' if line['isChecked'] else ' '}] " + line["text"].replace("\n", "\n  ")
