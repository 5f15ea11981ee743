"""Connections: whether their file is still there, what state they read, and how long they wait for a lock."""

import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.db import (
    DEFAULT_DB_ALIAS,
    InterfaceError,
    InternalError,
    OperationalError,
    connection,
    connections,
    transaction,
)

from notes import turns
from notes.turns import Turns

# The database is gone, locked, full or read-only. The request is not to blame and may be tried again.
FAULTS = (OperationalError, InterfaceError, InternalError)


class TooManyWriters(OperationalError):
    """A write has waited too long for other writers, or too many are waiting already."""


def file_of(database: Mapping[str, Any]) -> Path | None:
    """Return the SQLite file of a DATABASES entry; None for another engine."""
    return path_of(str(database["NAME"])) if database["ENGINE"] == "notesproject.sqlite" else None


@cache
def path_of(name: str) -> Path:
    return Path(unquote(urlsplit(name).path)).resolve()


# Another number each time that a connection turns out to be of a file that is gone. The file system may give the number
# of that file to a later one, so it does not tell two files apart for ever.
moves = 0
numbers_of_moves = count(1)


def close_if_moved() -> None:
    """Close this thread's connection if its file was moved away or replaced.

    The connection would go on writing to the old file, and acknowledged writes would be lost. A new connection opens
    the file that is there now, or fails. This costs one stat.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    path = file_of(connection.settings_dict)
    if path is None:
        return
    now = identity_of(path)
    if now != getattr(connection, "opened_file", now):
        global moves
        moves = next(numbers_of_moves)
        connection.close()
    connection.opened_file = now


def raise_if_moved() -> None:
    """Raise an OperationalError if the file of this thread's connection was moved away or replaced."""
    path = file_of(connection.settings_dict)
    if path and identity_of(path) != connection.opened_file:
        raise OperationalError("the database file was moved")


def identity_of(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another one that takes its name. None if there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def snapshot() -> Iterator[None]:
    """Read one state of the database until the block ends, however long that takes. Writers are not held up.

    Nothing can be written in the block. Inside a transaction, this does nothing.
    """
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "sqlite":
        # Not atomic(), which would take the write lock at once.
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA query_only = ON")
            cursor.execute("BEGIN")
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")
                cursor.execute("PRAGMA query_only = OFF")
    else:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            for timeout in ("statement_timeout", "idle_in_transaction_session_timeout"):
                cursor.execute(f"SET LOCAL {timeout} = 0")
            yield


# True once a write of this request begins to commit. After a later fault nobody knows whether the write is stored.
# DatabaseMiddleware resets it.
commit_began = ContextVar("commit_began", default=False)

# On PostgreSQL up to `at_once` writers of a process wait in the database for a row, each for as long as `lock_timeout`
# says. More at a time would only get in each other's way, so the others wait here.
writers = Turns(at_once=2, places=128)
PATIENCE_SECONDS = 5


@contextmanager
def write_transaction() -> Iterator[None]:
    """Open a transaction for writes. Inside another transaction it becomes a part of that one."""
    with place_among_writers(), transaction.atomic():
        yield
        commit_began.set(True)


@contextmanager
def place_among_writers() -> Iterator[None]:
    # On SQLite the connection itself queues writers (see notesproject/sqlite/base.py).
    if connection.vendor == "sqlite" or connection.in_atomic_block:
        yield
        return
    if not writers.take(PATIENCE_SECONDS):
        raise TooManyWriters("too many writers wait for the database")
    try:
        yield
    finally:
        writers.give_back()


MAX_REST_SECONDS = 1


@contextmanager
def giving_way() -> Iterator[None]:
    """After the block, rest for half as long as it took.

    SQLite has no queue of its own. Another process that waits to write looks now and then, and must find the lock free.
    """
    started = time.monotonic()
    yield
    if connection.vendor == "sqlite":
        turns.step_aside()
        time.sleep(min((time.monotonic() - started) / 2, MAX_REST_SECONDS))


@contextmanager
def without_waiting() -> Iterator[None]:
    """Fail instead of waiting for a lock: a read must not queue behind writers."""
    if connection.vendor == "sqlite":
        with connection.waiting_at_most(seconds=0):
            yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '10ms'")
        try:
            yield
        finally:
            cursor.execute("RESET lock_timeout")


def release_frames(error: BaseException | None) -> None:
    """Drop the variables of an expected error's traceback: they keep cursors alive until some thread collects them."""
    while error:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
