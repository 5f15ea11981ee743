"""Markdown texts as notes, and notes as Markdown texts: one reader and one writer. No ORM."""

import json
import os
import re
import stat
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, time
from functools import cached_property
from pathlib import Path

import yaml
from django.conf import settings
from django.utils.dateparse import parse_date, parse_datetime
from frontmatter.default_handlers import YAMLHandler

from notes import content

# A note's id is made of this, the file's path and the name of its source: every import gives the same id. Never
# change it.
FILE_NAMESPACE = uuid.UUID("058d4a61-6dae-4d25-aef2-c7951917f553")

# Enough for whatever a note may hold: six characters for each that is escaped.
MAX_FRONT_MATTER_BYTES = 131_072
MAX_YAML_DEPTH = 10
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CREATED_KEYS = ["date", "created", "created_at"]
UPDATED_KEYS = ["updated", "modified", "updated_at"]


class Unusable(Exception):
    """Why a text cannot be a note, in words for its owner. `field` is the name in the front matter that is wrong."""

    def __init__(self, reason, field=""):
        super().__init__(reason)
        self.field = field


@dataclass(frozen=True)
class NoteText:
    """What a Markdown text says of a note. An id, a title or a date that it does not say is None."""

    id: str | None
    title: str | None
    body: str
    tags: list
    metadata: dict
    created_at: datetime | None
    updated_at: datetime | None


@dataclass(frozen=True)
class NoteFile:
    """What a Markdown file says. `path` is relative to the folder, with slashes on every system.

    `source` keeps the files of several folders apart; it may be empty. `left_out` lists the front matter names that are
    over a limit of metadata. `id` is that of the note, if the file says it.
    """

    path: str
    title: str
    body: str
    tags: list
    metadata: dict
    created_at: datetime
    updated_at: datetime
    source: str = ""
    left_out: tuple = ()
    id: str | None = None

    @cached_property
    def uuid(self):
        if self.id:
            return uuid.UUID(self.id)
        # NUL separates the two safely: neither a name nor a path can hold one.
        return uuid.uuid5(FILE_NAMESPACE, f"{self.source}\0{self.path}" if self.source else self.path)


@dataclass(frozen=True)
class BadFile:
    path: str
    reason: str


@dataclass(frozen=True)
class TrashedFile:
    """A note that lies in the trash of the program it comes from."""

    path: str


# Reading


def read_folder(folder, source=""):
    """Yield a NoteFile or a BadFile for each Markdown file below the folder, always in the same order."""
    paths = {}
    for path in markdown_paths(folder):
        if isinstance(path, BadFile):
            yield path
            continue
        relative = path.relative_to(folder)
        try:
            file = read_note(path, relative.as_posix(), source)
            # Somebody has copied a file with its id.
            if (first := paths.setdefault(file.uuid, relative)) != relative:
                raise Unusable(f"{printable(first)} is the same note")
            yield file
        except Unusable as error:
            yield BadFile(printable(relative), str(error))


def markdown_paths(folder, endings=(".md",)):
    """Yield the paths of the Markdown files, and a BadFile in place of a folder that cannot be listed.

    Hidden files and folders (.git, .obsidian, the ._ files of macOS) are not notes. Links are not followed: a link
    out of the folder would import what is not in it, a link inside would import a file twice.
    """
    pending = [Path(folder)]
    while pending:
        parent = pending.pop()
        subfolders = []
        try:
            names = sorted(name for name in os.listdir(parent) if not name.startswith("."))
        except OSError as error:
            yield BadFile(printable(parent.relative_to(folder)), f"the folder cannot be listed: {error.strerror}")
            continue
        for name in names:
            path = parent / name
            try:
                mode = path.lstat().st_mode
            except OSError as error:
                yield BadFile(printable(path.relative_to(folder)), f"it cannot be read: {error.strerror}")
                continue
            if stat.S_ISDIR(mode):
                subfolders.append(path)
            elif stat.S_ISREG(mode) and path.suffix.lower() in endings:
                yield path
        pending += reversed(subfolders)


def read_note(path, relative, source):
    """Return the NoteFile, or raise Unusable."""
    try:
        relative.encode()
    except UnicodeEncodeError:
        raise Unusable("the name is not UTF-8") from None
    try:
        with path.open("rb") as file:
            modified_at = os.fstat(file.fileno()).st_mtime
            text = read_bounded(file)
    except OSError as error:
        raise Unusable(f"it cannot be read: {error.strerror}") from None

    said = read_text(text, is_id=is_uuid)
    # Take the file's name as its owner wrote it: `e-mail` and `2024-05-01` keep their hyphens.
    title = said.title or next(name for name in (path.stem, path.name) if content.is_visible(name))
    created_at, updated_at = dates(said, modified_at)
    metadata, left_out = within_limits(said.metadata)
    return NoteFile(
        path=relative,
        title=held_to(content.title, title),
        body=held_to(content.body, said.body),
        tags=held_to(content.tags, said.tags),
        metadata=metadata,
        created_at=created_at,
        updated_at=updated_at,
        source=source,
        left_out=tuple(left_out),
        id=said.id,
    )


def read_bounded(file):
    """Return the text of a binary file, or raise Unusable."""
    # No character takes more than four bytes: a huge file is refused without being read.
    max_bytes = 4 * settings.NOTES_MAX_BODY_CHARS + MAX_FRONT_MATTER_BYTES
    encoded = file.read(max_bytes + 1)
    if len(encoded) > max_bytes:
        raise Unusable(f"it is longer than {max_bytes} bytes")
    try:
        return encoded.decode()
    except UnicodeDecodeError as error:
        raise Unusable(f"it is not UTF-8: {error.reason}") from None


def is_uuid(value):
    """Tell an id as we write it from the ids of other programs."""
    return isinstance(value, str) and UUID.fullmatch(value) is not None


def read_text(text, *, is_id=lambda value: False):
    """Return the NoteText, or raise Unusable. The body is the text without its front matter, unaltered.

    Limits are not checked: a note may keep what it holds, and this text may be what it holds. `id` is metadata as all
    other names are, unless `is_id(value)` is true.
    """
    # A byte order mark at the beginning is not part of the text.
    front_matter, body = split_front_matter(text.removeprefix("\ufeff"))
    known = {name.lower(): value for name, value in front_matter.items()}
    places = {"title", "tags", name_of_date(known, CREATED_KEYS), name_of_date(known, UPDATED_KEYS)}
    if is_id(known.get("id")):
        places.add("id")
    return NoteText(
        id=known.get("id") if "id" in places else None,
        title=title_of(known, body),
        body=body,
        tags=tags_of(known),
        metadata=metadata_of(front_matter, places),
        created_at=date_of(known, CREATED_KEYS),
        updated_at=date_of(known, UPDATED_KEYS),
    )


def held_to(rule, *arguments):
    try:
        return rule(*arguments)
    except content.NotAllowed as error:
        raise Unusable(error.detail) from None


def printable(name):
    """Return a name or path as one line that a terminal can show: file names may hold any byte but NUL and slash."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(name))


# Front matter


class Unquoted(str):
    """A scalar without quotes that in JSON would be a number, true or false."""


class PlainLoader(getattr(yaml, "CBaseLoader", yaml.BaseLoader)):
    """YAML in which each scalar is the text as written, some of it Unquoted, or None.

    With YAML's own types a title `01` would be 1, a tag `no` False, and the date 2024-02-30 a ValueError.
    """


PlainLoader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
PlainLoader.add_constructor("tag:yaml.org,2002:null", lambda loader, node: None)
JSON_SCALAR = re.compile(r"^(?:true|false|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)$")
PlainLoader.add_implicit_resolver("!unquoted", JSON_SCALAR, list("tf-0123456789"))
PlainLoader.add_constructor("!unquoted", lambda loader, node: Unquoted(node.value))

# The library's own pattern also takes the blank lines after the block, and its parse() strips the text.
FRONT_MATTER = YAMLHandler(fm_boundary=re.compile(r"^---[ \t]*(?:\r?\n|\Z)", re.MULTILINE))
NAME_AFTER_COMMENTS = re.compile(r"""(?:#.*\n)*["']?[\w-]+["']?[ \t]*:(?:\s|$)""")


def split_front_matter(text):
    """Return ({name: value}, the text after it). A horizontal rule opens no front matter.

    As in Pandoc, `---` before a blank line is a rule. So is `---` that is never closed, or that encloses prose: only a
    list of names with values is taken out of the text.
    """
    if not FRONT_MATTER.detect(text):
        return {}, text
    try:
        block, body = FRONT_MATTER.split(text)
    except ValueError:
        return {}, text
    if not block:
        return {}, body
    if not block.split("\n", 1)[0].strip():
        return {}, text
    try:
        front_matter = load_yaml(block)
    except Unusable:
        if NAME_AFTER_COMMENTS.match(block):
            raise
        return {}, text
    if isinstance(front_matter, list):
        raise Unusable("the front matter is a list; write names with values")
    if not isinstance(front_matter, dict):
        return {}, text
    return {str(name): value for name, value in front_matter.items()}, body


def load_yaml(block):
    if len(block) > MAX_FRONT_MATTER_BYTES:
        raise Unusable(f"the front matter is longer than {MAX_FRONT_MATTER_BYTES} characters")
    try:
        refuse_bombs(block)
        return FRONT_MATTER.load(block, Loader=PlainLoader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 2}" if error.problem_mark else ""
        raise Unusable(f"the front matter is not YAML: {error.problem}{line}") from None
    except yaml.YAMLError:
        raise Unusable("the front matter is not YAML: it has control characters in it") from None


def refuse_bombs(block):
    """Check the YAML before it is built: one line of aliases can fill gigabytes, and 60,000 brackets are a SIGSEGV."""
    depth = 0
    for event in yaml.parse(block, Loader=PlainLoader):
        if isinstance(event, yaml.AliasEvent):
            raise Unusable("the front matter has a YAML alias (*name) in it; write the value itself")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_YAML_DEPTH:
            raise Unusable(f"the front matter is nested deeper than {MAX_YAML_DEPTH} levels")


def title_of(known, body):
    title = known.get("title")
    if title is not None and not isinstance(title, str):
        raise Unusable("the title in the front matter is not text", "title")
    return title if content.is_visible(title or "") else first_heading(body) or None


FENCE = re.compile(r"(`{3,}|~{3,})([^\n]*)")


def first_heading(body):
    """Return the text of the first `# heading` with visible text, or "".

    A `# comment` in a fenced block of code is no heading.
    """
    fence = ""
    for line in body.split("\n"):
        text = line.lstrip(" ")
        if len(line) - len(text) > 3:
            continue
        text = text.rstrip()
        marks = FENCE.match(text)
        if fence:
            if marks and marks[1].startswith(fence) and not marks[2]:
                fence = ""
        elif marks and not (marks[1][0] == "`" and "`" in marks[2]):
            fence = marks[1]
        elif text.startswith(("# ", "#\t")):
            heading = text[1:].strip()
            # `# Plan #` is Plan, `# C#` is C#.
            opened = heading.rstrip("#")
            if not opened or opened[-1] in " \t":
                heading = opened.rstrip()
            if content.is_visible(heading):
                return heading
    return ""


def tags_of(known):
    names = known.get("tags") or []
    if isinstance(names, str):
        names = content.split_tags(names)
    if not isinstance(names, list):
        raise Unusable("the tags are neither a list nor text with commas", "tags")
    # Templates leave `- ` with nothing after it.
    names = [name for name in names if name is not None and name != ""]
    if not all(isinstance(name, str) for name in names):
        raise Unusable("a tag is not text", "tags")
    return names


def metadata_of(front_matter, places):
    """Return all but the names that have places of their own. `metadata` holds names that would be taken for those."""
    metadata = {}
    for name, value in front_matter.items():
        if name.lower() == "metadata" and isinstance(value, dict):
            metadata |= {str(inner): metadata_value(member) for inner, member in value.items()}
        elif name.lower() not in places:
            metadata[name] = metadata_value(value)
    return metadata


def within_limits(metadata):
    """Return (what a note may hold of this metadata, the names that are over a limit)."""
    kept, left_out = {}, []
    for name, value in metadata.items():
        try:
            kept = content.metadata({**kept, name: value})
        except content.NotAllowed:
            left_out.append(name)
    return kept, left_out


def metadata_value(value):
    """Return a value as metadata can hold it. What is nested becomes its JSON."""
    if isinstance(value, list):
        return [member if isinstance(member, str) else text_of(member) for member in value]
    return text_of(value) if value is None or isinstance(value, dict) else typed(value)


def text_of(value):
    return "" if value is None else json.dumps(as_json(value), ensure_ascii=False, separators=(",", ":"))


def as_json(value):
    if isinstance(value, dict):
        return {str(name): as_json(member) for name, member in value.items()}
    return [as_json(member) for member in value] if isinstance(value, list) else typed(value)


def typed(scalar):
    """Return a number or a boolean if JSON writes it in just these letters, else the text: `1.10` is no number."""
    if not isinstance(scalar, Unquoted):
        return scalar
    try:
        value = content.metadata_value("", json.loads(scalar))
    except (content.NotAllowed, ValueError):
        # More digits than a number keeps, or than Python reads.
        return str(scalar)
    return value if content.metadata_text(value).decode() == scalar else str(scalar)


def dates(said, modified_at):
    """Return (created_at, updated_at). `modified_at`, the file's own time, is used for a missing date."""
    created_at, updated_at = said.created_at, said.updated_at
    if created_at and updated_at:
        return created_at, updated_at
    try:
        modified_at = datetime.fromtimestamp(modified_at, UTC)
    except (OverflowError, ValueError, OSError):
        raise Unusable("the file's time is not a date") from None
    # A copied file is younger than its text, so the earlier time is taken. No note is changed before it is created.
    created_at = created_at or min(modified_at, updated_at or modified_at)
    return created_at, updated_at or max(modified_at, created_at)


def name_of_date(known, names):
    """Return the first of these names that has a value, or None."""
    return next((name for name in names if known.get(name)), None)


def date_of(known, names):
    """Return the first of these dates as an aware datetime in UTC, or None. A date without a zone is UTC."""
    name = name_of_date(known, names)
    if name is None:
        return None
    text = known[name]
    try:
        text = text.strip().upper()
        moment = parse_datetime(text) or datetime.combine(parse_date(text), time())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (AttributeError, TypeError, ValueError, OverflowError):
        raise Unusable(f"`{name}` is no date; write 2024-05-31 or 2024-05-31T12:00:00Z", name) from None


# Writing


# These names in front matter have places of their own.
PLACES = {"id", "title", "tags", "metadata", *CREATED_KEYS, *UPDATED_KEYS}
# A name that no version of YAML takes for anything but text.
PLAIN_NAME = re.compile(r"(?!(?:null|true|false|yes|no|on|off|y|n)\Z)[a-z_][a-z0-9_-]*", re.IGNORECASE)
# What YAML reads as a break between lines, or refuses, even in double quotes. JSON writes it as it is.
NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def write_text(note):
    """Return the text that `read_text` reads as this note, which is a dict as the API shows it.

    The body follows the front matter byte for byte, even if it begins with front matter of its own.
    """
    taken = {name: value for name, value in note["metadata"].items() if name.lower() in PLACES}
    lines = [
        f"id: {note['id']}",
        f"title: {as_yaml(note['title'])}",
        f"tags: {as_yaml(note['tags'])}",
        f"created_at: {note['created_at']}",
        f"updated_at: {note['updated_at']}",
        *(as_member(name, value) for name, value in note["metadata"].items() if name not in taken),
    ]
    if taken:
        lines.append(f"metadata: {as_yaml(taken)}")
    return "\n".join(["---", *lines, "---", note["body"]])


def as_member(name, value):
    return f"{name if PLAIN_NAME.fullmatch(name) else as_yaml(name)}: {as_yaml(value)}"


def as_yaml(value):
    """Return the value as JSON, which is YAML too: no reader takes a text in quotes for a number or a date."""
    if isinstance(value, list):
        return f"[{', '.join(map(as_yaml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{as_yaml(name)}: {as_yaml(member)}' for name, member in value.items())}}}"
    return NOT_IN_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", content.metadata_text(value).decode())
