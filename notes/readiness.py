"""Is the service ready: does the database answer, is it migrated, does it take writes, has it its search index?"""

import os
import shutil
from collections.abc import Iterator
from threading import Lock, Thread

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor

from notes import database_file, databases
from notes.search import index

PATIENCE_SECONDS = 2


class Asking(Thread):
    """Asks in a thread and with a connection of its own: a database that hangs then holds up nobody else."""

    problem: str | None = f"The database has not answered within {PATIENCE_SECONDS} seconds."

    def __init__(self) -> None:
        super().__init__(name="readiness", daemon=True)

    def run(self) -> None:
        try:
            self.problem = next(problems(), None)
        except Error as error:
            self.problem = f"The database does not answer: {error}"
        finally:
            connection.close()


lock = Lock()
asking: Asking | None = None
is_migrated = False


def problem() -> str | None:
    """Return what is wrong, in words for the log; None if nothing is. It takes PATIENCE_SECONDS at most.

    Those who ask at the same time wait for the same answer, so that many probes are no load.
    """
    global asking
    with lock:
        if asking is None or not asking.is_alive():
            asking = Asking()
            asking.start()
        asked = asking
    asked.join(PATIENCE_SECONDS)
    return asked.problem


def problems() -> Iterator[str]:
    if wrong := database_file.problem_of(connection.settings_dict):
        yield wrong
    if path := databases.file_of(connection.settings_dict):
        if not os.access(path.parent, os.W_OK):
            yield f"The folder {path.parent} may not be written: look at its owner, permissions and disk."
        if shutil.disk_usage(path.parent).free < settings.NOTES_MAX_REQUEST_BYTES:
            yield f"The disk of {path} is full."
    elif is_read_only():
        yield "The database takes no writes: it is a replica, or set to read-only."
    if not migrations_are_applied():
        yield "The database is not migrated: run manage.py migrate."
    if not index.is_there():
        yield "The search index is missing: run manage.py rebuild_search."


def is_read_only() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        return cursor.fetchone() == ("on",)


def migrations_are_applied() -> bool:
    """Tell whether all migrations of this code are applied. Once they are, they stay so while a process runs."""
    global is_migrated
    if not is_migrated:
        executor = MigrationExecutor(connection)
        is_migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return is_migrated
