"""The exports of other programs. Each reader yields a NoteFile, a BadFile or a TrashedFile for each item."""

from notes import markdown
from notes.formats import joplin, keep, memos, obsidian, standard_notes
from notes.formats.archives import Unreadable

__all__ = ["FOLDERS_ONLY", "READERS", "Unreadable", "guess", "read"]

READERS = {
    "markdown": markdown.read_folder,
    "joplin": joplin.read,
    "keep": keep.read,
    "memos": memos.read,
    "obsidian": obsidian.read,
    "standard-notes": standard_notes.read,
}
FOLDERS_ONLY = {"markdown"}
ENDINGS = {".jex": "joplin", ".db": "memos"}


def guess(path):
    """Return the name of the format, or None. A folder is Markdown: its notes are known by their paths ever since."""
    if path.is_dir():
        return "markdown"
    if path.name.startswith("takeout-"):
        return "keep"
    return ENDINGS.get(path.suffix.lower())


def read(path, name, source=""):
    """Yield what the reader does; of two items with one id the second is a BadFile. May raise Unreadable."""
    paths = {}
    for file in READERS[name](path, source):
        if isinstance(file, markdown.NoteFile) and (first := paths.setdefault(file.uuid, file.path)) != file.path:
            yield markdown.BadFile(file.path, f"{markdown.printable(first)} is the same note")
        else:
            yield file
