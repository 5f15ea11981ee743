"""Connections: whether the file of one is still there, what state it reads, and how long it waits for a lock."""

import threading
import traceback
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.db import OperationalError, connection, transaction


def file_of(database):
    """Return the path of the file of these settings of a database, or None for another engine."""
    return path_of(str(database["NAME"])) if database["ENGINE"] == "django.db.backends.sqlite3" else None


@cache
def path_of(name):
    return Path(unquote(urlsplit(name).path)).resolve()


def close_if_moved():
    """Close this thread's connection if its file was moved away or replaced.

    It would go on writing to the old file, and what it acknowledges would be lost. Opened anew, it meets the file that
    is there now, or fails. The cost is one stat.
    """
    path = file_of(connection.settings_dict)
    if path is None:
        return
    try:
        now = (path.stat().st_dev, path.stat().st_ino)
    except OSError:
        now = None
    opened = getattr(connection, "opened_file", now)
    if connection.connection is not None and now != opened:
        connection.close()
    connection.opened_file = now


@contextmanager
def snapshot():
    """Read one state of the database until the block ends, however long that takes, and hold up no writer.

    Nothing can be written in the block. Inside a transaction it does nothing more.
    """
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "sqlite":
        # Not atomic(), which begins with the lock of a writer.
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


# One writer of this process at a time waits for SQLite; the others wait for that one here. A thread that waits inside
# SQLite holds its connection's mutex, and the writer it waits for can run into that mutex in turn: when the garbage
# collector, in whatever thread it happens to run, finalizes a cursor of that connection.
writers_turn = threading.RLock()


@contextmanager
def turn_to_write():
    """Wait for this thread's turn among the writers of the process. An OperationalError after the usual time."""
    if connection.vendor != "sqlite":
        yield
        return
    if not writers_turn.acquire(timeout=connection.settings_dict["OPTIONS"]["timeout"]):
        raise OperationalError("database is locked by another writer of this process")
    try:
        yield
    finally:
        writers_turn.release()


@contextmanager
def without_waiting():
    """Let what waits for a lock fail at once: a reader's request must not stand in the queue of the writers."""
    if connection.vendor == "sqlite":
        if not writers_turn.acquire(blocking=False):
            raise OperationalError("database is locked by another writer of this process")
        milliseconds = int(connection.settings_dict["OPTIONS"]["timeout"] * 1000)
        setting, restore = "PRAGMA busy_timeout = 0", f"PRAGMA busy_timeout = {milliseconds}"
    else:
        setting, restore = "SET lock_timeout = '10ms'", "RESET lock_timeout"
    try:
        with connection.cursor() as cursor:
            cursor.execute(setting)
            try:
                yield
            finally:
                cursor.execute(restore)
    finally:
        if connection.vendor == "sqlite":
            writers_turn.release()


def let_go(error):
    """Empty the frames of an error that was expected: they hold cursors, for the garbage collector of any thread."""
    while error:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
