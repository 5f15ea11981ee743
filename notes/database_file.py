"""Checks SQLite's file before a server starts: if the file is lost, an empty service must not take its place."""

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from notes import databases


def problem_of(database: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the file of a DATABASES entry, as a sentence; None if nothing is.

    Another engine is always None: a server that does not answer now may do so later.
    """
    path = databases.file_of(database)
    if path is None:
        return None
    if not path.exists():
        if not path.parent.is_dir():
            return f"The folder of the database {path} is not there: is its disk mounted?"
        return f"The database {path} is not there: put it back, or make a new, empty one with manage.py migrate."
    if not path.is_file():
        return f"The database {path} is a folder, not a file."
    if not os.access(path, os.R_OK | os.W_OK):
        return f"The database {path} may not be read and written: look at its owner and permissions."
    if not path.stat().st_size:
        return f"The database {path} is an empty file: put it back, or make a new one with manage.py migrate."
    try:
        # Let SQLite open the file. A plain open and close would drop all locks that this process's connections hold
        # on it (https://sqlite.org/howtocorrupt.html, 2.2).
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("PRAGMA schema_version")
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
            return f"The file {path} is no SQLite database: DATABASE_URL names the wrong one, or it was overwritten."
        return f"The database {path} cannot be read: {error}."
    return None
