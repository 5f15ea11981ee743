"""Backups of SQLite: database files, copied by SQLite itself."""

import os
import sqlite3
import tempfile
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from django.core.management import CommandError
from django.db import connection
from tqdm import tqdm

from notes import databases
from notes.backups.files import sync

ENDING = ".sqlite3"
STEP_PAGES = 1000
BESIDE = ("-journal", "-wal", "-shm")


def place():
    return databases.file_of(connection.settings_dict)


def files():
    """Return the paths of the running database."""
    return {place(), *(beside(place(), suffix) for suffix in BESIDE)}


def beside(path, suffix):
    return path.with_name(path.name + suffix)


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


@contextmanager
def scratch():
    """Yield the name of a file to be made, on the disk of the running database."""
    if not place().parent.is_dir():
        raise CommandError(f"There is no folder {place().parent}: is its disk mounted?")
    with tempfile.TemporaryDirectory(dir=place().parent, prefix=f".{place().name}.") as folder:
        yield f"{Path(folder, place().name).as_uri()}?mode=rw"


def load(path):
    """Copy a backup to the file of this connection."""
    place().touch(mode=0o600)
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as backup:
        copy_checked(backup, place())


def is_there():
    return place().exists()


def refuse_if_open():
    with alone_with(place()):
        pass


@contextmanager
def alone_with(path):
    """Hold a database that nobody else has open: it is one file then, and nobody can open it. Let a damaged one be."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=1)) as database:
        try:
            # SQLite leaves the WAL mode only when there is no other connection. Then it empties and deletes the WAL.
            database.execute("PRAGMA journal_mode = DELETE")
            database.execute("BEGIN EXCLUSIVE")
            # Somebody may have come between the two.
            is_alone = database.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        except sqlite3.DatabaseError as error:
            is_alone = error.sqlite_errorcode in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}
            if not is_alone and error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
        if not is_alone:
            raise CommandError(f"The database {path} is open in another process: stop the service first.")
        yield


def put_in_place(name, mark):
    path, new = place(), databases.path_of(name)
    aside = path.with_name(f"{path.stem}.{mark}{path.suffix}")
    with ExitStack() as held:
        held.enter_context(alone_with(new))
        sync(new)
        was_there = is_there()
        if was_there:
            held.enter_context(alone_with(path))
            # Until the last step its own name leads to it, too.
            os.link(path, aside)
        # These are left of a damaged or a lost database. SQLite would take them for those of the new one.
        for suffix in BESIDE:
            if beside(path, suffix).exists():
                beside(path, suffix).rename(beside(aside, suffix))
        os.replace(new, path)
        sync(path.parent)
    return aside if was_there else None
