"""Connections: whose fault an error is, whether their file is still there, and how long they wait for a lock."""

import errno
import sqlite3
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

# An error with one of these codes is the fault of the statement or its values. Every other code is the state of the
# database: gone, locked, read-only, damaged, or half migrated. Then the request is not to blame and may be tried again.
# SQLite's primary codes (https://sqlite.org/rescode.html), PostgreSQL's classes of SQLSTATE (its manual, appendix A).
FAULTS_OF_A_STATEMENT = {
    *(sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_MISUSE),
    *(sqlite3.SQLITE_RANGE, "0A", "10", "20", "21", "22", "23", "26", "34", "42", "44", "54"),
}
# Within class 42: a table or column that only the next version has or still has, and a right that was taken away.
STATES_OF_A_SCHEMA = {"42P01", "42703", "42501"}
FULL_DISK = {sqlite3.SQLITE_FULL, "53100"}


class TooManyWriters(OperationalError):
    """A write has waited too long for other writers, or too many are waiting already."""


def code_of(error: BaseException | None) -> int | str | None:
    """Return SQLite's primary code or PostgreSQL's SQLSTATE, which the driver's error has; None if there is none."""
    while error:
        # The higher bits of SQLite's code tell more than anybody here asks for.
        if (number := getattr(error, "sqlite_errorcode", None)) is not None:
            return int(number) & 0xFF
        if state := getattr(error, "sqlstate", None):
            return str(state)
        error = error.__cause__
    return None


def is_fault(error: BaseException | None) -> bool:
    """Tell whether an error is the state of the database, whichever exception it came as."""
    code = code_of(error)
    if code is None:
        # Nobody answered who could have given a code.
        return isinstance(error, (OperationalError, InterfaceError, InternalError))
    return code in STATES_OF_A_SCHEMA or (code[:2] if isinstance(code, str) else code) not in FAULTS_OF_A_STATEMENT


def is_full_disk(error: BaseException | None) -> bool:
    return code_of(error) in FULL_DISK or getattr(error, "errno", None) == errno.ENOSPC


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
