"""Connections: whether the file of one is still there, and how long one waits for a lock."""

from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.db import connection


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
def without_waiting():
    """Let what waits for a lock fail at once: a reader's request must not stand in the queue of the writers."""
    if connection.vendor == "sqlite":
        milliseconds = int(connection.settings_dict["OPTIONS"]["timeout"] * 1000)
        setting, restore = "PRAGMA busy_timeout = 0", f"PRAGMA busy_timeout = {milliseconds}"
    else:
        setting, restore = "SET lock_timeout = '10ms'", "RESET lock_timeout"
    with connection.cursor() as cursor:
        cursor.execute(setting)
        try:
            yield
        finally:
            cursor.execute(restore)
