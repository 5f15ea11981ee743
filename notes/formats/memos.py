"""Memos: the answer of its API to `GET /api/v1/memos`, or its SQLite file.

Source: `store/migration/sqlite/LATEST.sql` of github.com/usememos/memos, and for the answers `references/api.md` of
github.com/minstn/usememos.
"""

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from notes.formats import arrays, items
from notes.formats.archives import Unreadable
from notes.markdown import MAX_FRONT_MATTER_BYTES, BadFile, Unusable, date_of, first_heading, printable

MAGIC = b"SQLite format 3\0"
# For a row, without the time that writing it takes.
MAX_SECONDS = 30
STEPS = 100_000
MAX_VALUE_BYTES = 2_000_000
# What is made of the text, and what lies elsewhere in it.
PLACES = {"content", "nodes", "snippet", "tags", "payload", "property", "state", "rowStatus", "name", "uid", "id"}
DATES = {"createTime", "updateTime", "displayTime", "createdTs", "updatedTs", "displayTs"}


def read(path, source):
    with path.open("rb") as file:
        is_database = file.read(len(MAGIC)) == MAGIC
    for said in rows(path) if is_database else arrays.values(path, "memos", {".json"}):
        name = "a memo without an id"
        try:
            name = key_of(said)
            yield read_memo(name, said, source)
        except (Unusable, TypeError, AttributeError) as error:
            reason = error if isinstance(error, Unusable) else "it is not as Memos writes it"
            yield BadFile(printable(name), str(reason))


def rows(path):
    """Yield the rows of the table, named as in the old API. The file is not to be trusted, nor to be changed."""
    with TemporaryDirectory() as folder:
        copy = Path(folder, "memos.db")
        shutil.copyfile(path, copy)
        # What was written last may be there.
        log = path.with_name(f"{path.name}-wal")
        if log.exists():
            shutil.copyfile(log, f"{copy}-wal")
        try:
            with closing(sqlite3.connect(copy)) as database:
                yield from rows_of(database)
        except sqlite3.Error as error:
            raise Unreadable(f"SQLite says: {error}") from None


def rows_of(database):
    asked_at = time.monotonic()
    database.set_progress_handler(lambda: time.monotonic() - asked_at > MAX_SECONDS, STEPS)
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
    database.execute("PRAGMA trusted_schema = OFF")
    database.execute("PRAGMA query_only = ON")
    # What is not UTF-8 is refused as text, memo by memo.
    database.text_factory = lambda encoded: encoded.decode(errors="surrogateescape")
    # A view might go on for ever.
    table = "SELECT 1 FROM sqlite_master WHERE name = 'memo' AND type = 'table' AND sql LIKE 'CREATE TABLE%'"
    if not database.execute(table).fetchone():
        raise Unreadable("it has no table `memo`")
    database.row_factory = sqlite3.Row
    for row in database.execute("SELECT * FROM memo"):
        yield {COLUMNS.get(name, name): row[name] for name in row.keys()}  # noqa: SIM118
        asked_at = time.monotonic()


COLUMNS = {"row_status": "rowStatus", "created_ts": "createdTs", "updated_ts": "updatedTs", "creator_id": "creatorId"}


def key_of(said):
    """Return the memo's own id: `name` is `memos/` and the uid, except in old versions."""
    key = said.get("uid") or (said.get("name") or "").removeprefix("memos/") or said.get("id")
    if not isinstance(key, str | int) or not key:
        raise Unusable("it has no id")
    return str(key)


def read_memo(key, said, source):
    text = said.get("content") or ""
    payload = payload_of(said)
    archived = "ARCHIVED" in (said.get("state"), said.get("rowStatus"))
    rest = {name: value for name, value in (payload | said).items() if name not in PLACES | DATES}
    if not isinstance(text, str):
        raise Unusable("its text is not text")
    return items.note(
        id=items.id_of("memos", key, source),
        path=key,
        title=first_heading(text),
        body=text,
        tags=tags_of(said) or tags_of(payload),
        metadata=items.told(rest | {"archived": archived, "pinned": bool(said.get("pinned"))}),
        created_at=date_of(said, ["createTime", "displayTime"]) or items.moment(said.get("createdTs"), seconds=1),
        updated_at=date_of(said, ["updateTime"]) or items.moment(said.get("updatedTs"), seconds=1),
    )


def payload_of(said):
    """Return what the database keeps as JSON beside the text: tags, a place."""
    text = said.get("payload") or "{}"
    try:
        payload = orjson.loads(text[:MAX_FRONT_MATTER_BYTES])
    except orjson.JSONDecodeError:
        raise Unusable("its payload is not JSON") from None
    return payload


def tags_of(said):
    return said.get("tags") or (said.get("property") or {}).get("tags") or []
