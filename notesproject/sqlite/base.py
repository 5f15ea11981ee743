"""Django's backend for SQLite, with writers that take turns. Django prescribes the module's name.

SQLite allows one writer at a time. The threads of this process queue here, first come, first served, whatever they
write: notes, keys, sessions, the admin. A thread that waited inside SQLite would hold its connection's mutex meanwhile.
The garbage collector runs in any thread, also in that of the current writer. If it finalizes a cursor of that
connection there, the writer runs into the mutex.
"""

import sqlite3
import time
from contextlib import contextmanager
from functools import lru_cache, partial

from django.db import OperationalError
from django.db.backends.sqlite3 import base

from notes.databases import TooManyWriters, code_of, path_of
from notes.turns import Turns
from notesproject.sqlite.head import LOOK_AGAIN_SECONDS, Head

# Every other statement writes.
READS = ("SELECT", "PRAGMA", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "EXPLAIN", "WITH")

writers = Turns(at_once=1, places=128)


@lru_cache(maxsize=128)
def converted(query):
    return base.FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%")


class Cursor(base.SQLiteCursorWrapper):
    def __init__(self, connection, database):
        super().__init__(connection)
        self.database = database

    def convert_query(self, query, *, param_names=None):
        # Django rewrites the placeholders of each statement each time: 0.05 ms of a write.
        if param_names is None:
            return converted(query)
        return super().convert_query(query, param_names=param_names)

    def execute(self, query, params=None):
        if self.database.has_turn or query.lstrip().startswith(READS):
            return super().execute(query, params)
        with self.database.turn():
            return super().execute(query, params)

    def executemany(self, query, param_list):
        if self.database.has_turn:
            return super().executemany(query, param_list)
        with self.database.turn():
            return super().executemany(query, param_list)


class SchemaEditor(base.DatabaseSchemaEditor):
    """Checks the foreign keys of the tables that a migration has made anew, and of no others.

    Django reads through every table, while the migration holds the write lock: seconds for a million notes.
    """

    def _remake_table(self, model, **changes):
        super()._remake_table(model, **changes)
        self.connection.check_constraints([model._meta.db_table])

    def __exit__(self, *error):
        super(base.DatabaseSchemaEditor, self).__exit__(*error)
        self.connection.enable_constraint_checking()


class DatabaseWrapper(base.DatabaseWrapper):
    SchemaEditorClass = SchemaEditor
    has_turn = False
    head = None

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # How long a writer waits: first for writers of this process, then for those of other processes.
        self.patience_seconds = self.settings_dict["OPTIONS"]["timeout"]

    def create_cursor(self, name=None):
        return self.connection.cursor(factory=partial(Cursor, database=self))

    def _start_transaction_under_autocommit(self):
        deadline = time.monotonic() + self.patience_seconds
        self.take_turn()
        try:
            with self.at_head(deadline):
                self.begin(deadline)
        except BaseException:
            self.give_turn_back()
            raise

    def begin(self, deadline):
        """Begin a transaction with the write lock. Between two tries this connection's mutex is released."""
        self.let_sqlite_wait(0)
        try:
            while True:
                try:
                    return super()._start_transaction_under_autocommit()
                except OperationalError as error:
                    # Its longer forms too: another process may be recovering what a killed one has left.
                    if code_of(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                        raise
                time.sleep(LOOK_AGAIN_SECONDS)
        finally:
            self.let_sqlite_wait(self.patience_seconds)

    @contextmanager
    def at_head(self, deadline):
        """Stand at the head of the queue of all processes: none of them begins to write meanwhile."""
        if self.head is None:
            self.head = Head(f"{path_of(str(self.settings_dict['NAME']))}-head")
        if not self.head.take(deadline):
            raise TooManyWriters("database is locked by writers of other processes")
        try:
            yield
        finally:
            self.head.give_back()

    def let_sqlite_wait(self, seconds):
        if self.connection is not None:
            self.connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")

    @contextmanager
    def waiting_at_most(self, seconds):
        self.ensure_connection()
        patience, self.patience_seconds = self.patience_seconds, seconds
        self.let_sqlite_wait(seconds)
        try:
            yield
        finally:
            self.patience_seconds = patience
            self.let_sqlite_wait(patience)

    def take_turn(self):
        if not writers.take(self.patience_seconds):
            raise TooManyWriters("database is locked by other writers of this process")
        self.has_turn = True

    def give_turn_back(self):
        if self.has_turn:
            self.has_turn = False
            writers.give_back()

    @contextmanager
    def turn(self):
        deadline = time.monotonic() + self.patience_seconds
        self.take_turn()
        try:
            with self.at_head(deadline):
                yield
        finally:
            self.give_turn_back()

    # A transaction ends in one of these two, whether it was committed or rolled back.

    def _set_autocommit(self, autocommit):
        try:
            super()._set_autocommit(autocommit)
        finally:
            if autocommit:
                self.give_turn_back()

    def _close(self):
        try:
            super()._close()
        finally:
            if self.head:
                self.head.close()
                self.head = None
            self.give_turn_back()
