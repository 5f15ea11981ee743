"""A notebook as a folder of Markdown files, one for each note; exporting again touches only what has changed."""

import hashlib
import json
import os
import re
import stat
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from django.core.management import CommandError
from django.db.models import Q

from notes import databases, markdown
from notes.backups.files import sha256_of
from notes.content import folded, utc_text
from notes.importing import chunks
from notes.verification import unwatched

WRITTEN, REMOVED, UNCHANGED, LEFT = "written", "removed", "unchanged", "left as they are"
OUTCOMES = [WRITTEN, REMOVED, UNCHANGED, LEFT]

STATE = ".notes.json"
NO_FILE = (None, None)
# Whoever can write the state cannot lead us out of the folder.
FILE_NAME = re.compile(r"[^/\\:\0]+\.md")
# Every system takes a name of this length, even one that stores each accent as a character of its own.
MAX_SLUG_BYTES = 80


@dataclass
class Folder:
    """A folder of files, and what its state says of them: which are ours, and up to which write of the notebook.

    `files` lists for each note pairs of a name and the SHA-256 of what was written there. There is one pair, unless an
    export was interrupted. `behind` holds the notes whose files are not ours to touch any more.
    """

    path: Path
    notebook: str
    epoch: str = ""
    revision: int = 0
    behind: set = field(default_factory=set)
    files: dict = field(default_factory=dict)

    @classmethod
    def opened(cls, path, notebook):
        """Return the folder as the last export left it. Raises CommandError."""
        try:
            if (path / STATE).is_symlink():
                raise ValueError("it is a link")
            folder = cls(path, **json.loads((path / STATE).read_bytes()))
            folder.behind = set(folder.behind)
            if not all(FILE_NAME.fullmatch(name) for pairs in folder.files.values() for name, _ in pairs):
                raise ValueError("it names a file outside of the folder")
        except FileNotFoundError:
            return cls(path, notebook.name)
        except (AttributeError, TypeError, ValueError) as error:
            raise CommandError(
                f"{path / STATE} is damaged: {error}. Delete it, and the next export compares every file."
            ) from None
        if folder.notebook != notebook.name:
            raise CommandError(f"{path} is the folder of the notebook {folder.notebook!r}.")
        return folder

    def write_state(self):
        """Write it with a line for each note, so that a diff of it has no more lines than it needs."""
        state = {"notebook": self.notebook, "epoch": self.epoch, "revision": self.revision}
        lines = ",\n".join(members({**state, "behind": sorted(self.behind)}))
        files = ",\n".join(members(self.files))
        self.replace(STATE, f'{{\n{lines},\n"files": {{\n{files}\n}}\n}}\n'.encode())

    def replace(self, name, encoded):
        """Write a file whole or not at all. A link of that name is replaced, not followed."""
        part = self.path / f".notes.{os.getpid()}.part"
        with part.open("xb") as file:
            file.write(encoded)
        os.replace(part, self.path / name)

    def digest(self, name):
        """Return the SHA-256 of a file, None if nothing has that name, or "" for a link or a folder."""
        path = self.path / name
        try:
            is_file = stat.S_ISREG(path.lstat().st_mode)
        except FileNotFoundError:
            return None
        return sha256_of(path) if is_file else ""

    def bring_up_to_date(self, texts):
        """Write or remove the file of each note: {uuid: (name, text), or NO_FILE}. Yields (name, outcome)."""
        before = {uuid: self.files.get(uuid, []) for uuid in texts}
        after = {uuid: [[name, sha256(text)]] if name else [] for uuid, (name, text) in texts.items()}
        self.files |= {uuid: before[uuid] + after[uuid] for uuid in texts}
        # Written before the first file: if this export is killed, the next one knows which files are ours.
        self.write_state()
        for uuid, (name, text) in texts.items():
            ours = {None, *(digest for _, digest in self.files[uuid])}
            found = {known: self.digest(known) for known, _ in self.files[uuid]}
            strange = [known for known in found if found[known] not in ours]
            self.files[uuid] = before[uuid] if strange else after[uuid]
            if not self.files[uuid]:
                del self.files[uuid]
            if strange:
                self.behind.add(uuid)
                yield strange[0], LEFT
                continue
            self.behind.discard(uuid)
            if name and found == dict(after[uuid]):
                yield name, UNCHANGED
                continue
            # Remove first: to some systems two names are one.
            for old in found.keys() - {name}:
                (self.path / old).unlink(missing_ok=True)
            if name:
                self.replace(name, text)
                yield name, WRITTEN
            elif found:
                yield min(found), REMOVED


def export_notes(notebook, path, watched=unwatched):
    """Bring the folder up to date with the notebook. Yields (name of a file, outcome). Raises CommandError.

    Reads one state of the database, so others may write meanwhile. `watched(rows, total)` wraps the iterator over the
    notes, for a progress bar.
    """
    folder = Folder.opened(path, notebook)
    # What a killed export was writing.
    for part in path.glob(".notes.*.part"):
        part.unlink()
    with databases.snapshot():
        notebook.refresh_from_db(fields=["epoch", "revision"])
        # After a restore a note may be older than its file, or may not be there at all.
        begins_anew = folder.epoch != str(notebook.epoch) or folder.revision > notebook.revision
        since = 0 if begins_anew else folder.revision
        changed = notebook.notes.filter(Q(revision__gt=since) | Q(uuid__among=sorted(folder.behind)))
        notes = watched(changed.order_by("revision").iterator(chunk_size=100), total=changed.count())
        taken = {folded(name): uuid for uuid, pairs in folder.files.items() for name, _ in pairs}
        gone = {*folder.files, *folder.behind} if begins_anew else set(folder.behind)
        for chunk in chunks(notes):
            texts = {
                str(note.uuid): NO_FILE if note.deleted_at else (name_of(note, taken), text_of(note)) for note in chunk
            }
            gone -= texts.keys()
            yield from folder.bring_up_to_date(texts)
        yield from folder.bring_up_to_date(dict.fromkeys(gone, NO_FILE))
        folder.epoch, folder.revision = str(notebook.epoch), notebook.revision
        folder.write_state()


def name_of(note, taken):
    """Return the name of the note's file: title and id alone make it, so no other note that comes or goes changes it.

    The end of the id is enough, unless a note with the same title has it too. `taken` maps folded names to ids.
    """
    uuid = str(note.uuid)
    names = [f"{slug(note.title)}-{end}.md".lstrip("-") for end in (uuid[-8:], uuid)]
    return next(name for name in names if taken.setdefault(folded(name), uuid) == uuid)


def slug(title):
    """Return the letters and digits of the title with hyphens between them, which is a safe name on every system."""
    text = unicodedata.normalize("NFC", title.lower())
    words = "".join(char if unicodedata.category(char)[0] in "LMN" else " " for char in text).split()
    return "-".join(words).encode()[:MAX_SLUG_BYTES].decode(errors="ignore").rstrip("-")


def text_of(note):
    """Return what the API answers when it is asked for the note as Markdown."""
    columns = {name: getattr(note, name) for name in ("title", "tags", "metadata", "body")}
    moments = {name: utc_text(getattr(note, name)) for name in ("created_at", "updated_at")}
    return markdown.write_text({"id": note.uuid, **columns, **moments}).encode()


def members(values):
    """Return the members of a JSON object, each as a line. The newest note comes first: the last line has no comma."""
    lines = sorted(values.items(), reverse=True)
    return [f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in lines]


def sha256(encoded):
    return hashlib.sha256(encoded).hexdigest()
