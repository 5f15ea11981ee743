"""Backups of SQLite: database files, copied by SQLite itself."""

import sqlite3
from contextlib import closing

from django.db import connection
from tqdm import tqdm

from notes import databases

ENDING = ".sqlite3"
STEP_PAGES = 1000


def files():
    """Return the paths of the running database."""
    path = databases.file_of(connection.settings_dict)
    return {path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm")}


def copy(path):
    """Copy the running database to a file."""
    connection.ensure_connection()
    copy_checked(connection.connection, path)
    # A database restored from the copy is another history. Clients that follow the old one must notice.
    with closing(sqlite3.connect(path)) as copied:
        copied.execute("UPDATE notes_notebook SET epoch = lower(hex(randomblob(16)))")
        copied.commit()


def copy_checked(database, path):
    """Copy one state of an open database to a file, and check the copy."""
    with closing(sqlite3.connect(path)) as copied, tqdm(unit=" pages", disable=None) as bar:

        def progress(status, remaining, total):
            bar.total = total
            bar.update(total - remaining - bar.n)

        # A backup in steps starts again whenever somebody writes between two steps; under steady writes it never ends.
        # Inside one read transaction every step sees the same moment. In WAL mode writers do not wait for it.
        database.execute("BEGIN DEFERRED")
        try:
            database.execute("SELECT 1 FROM sqlite_master").fetchone()
            database.backup(copied, pages=STEP_PAGES, progress=progress)
        finally:
            database.execute("ROLLBACK")
        # The copy's header still has the WAL mark of the original. Reading it would then need two more files beside it.
        (mode,) = copied.execute("PRAGMA journal_mode = DELETE").fetchone()
        if mode != "delete":
            raise sqlite3.DatabaseError(f"the copy stays in {mode} mode")
        findings = [finding for (finding,) in copied.execute("PRAGMA integrity_check")]
        if findings != ["ok"]:
            raise sqlite3.DatabaseError(f"the copy is damaged: {findings[0]}")
