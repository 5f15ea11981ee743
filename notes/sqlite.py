"""The file of a SQLite database: where it is, and whether an open connection still writes to it."""

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
