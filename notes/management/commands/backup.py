import os
import shutil
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from tqdm import tqdm

STEP_PAGES = 1000


class Command(BaseCommand):
    help = (
        "Copy the database to PATH while the service runs. SQLite: a checked database file. PostgreSQL: an archive "
        "of pg_dump for pg_restore. Never copy the file of a running SQLite database by other means."
    )

    # A fault of the service must not prevent its backup.
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("path", metavar="PATH", type=Path, help="the file to write")
        parser.add_argument("--force", action="store_true", help="replace PATH if it is there")

    def handle(self, *, path, force, **options):
        # Resolve links once, so that the file that is checked is the file that is replaced.
        path = path.resolve()
        refuse_path(path, force=force)
        copy = copy_sqlite if connection.vendor == "sqlite" else copy_postgresql
        try:
            # Only the owner may read the file (0600). Nobody sees a half-written backup under the final name.
            descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
            try:
                copy(Path(part))
                os.fsync(descriptor)
                refuse_path(path, force=force)
                os.replace(part, path)
            finally:
                os.close(descriptor)
                for suffix in ("", "-journal", "-wal", "-shm"):
                    Path(part + suffix).unlink(missing_ok=True)
            keep_name(path.parent)
        except KeyboardInterrupt:
            raise CommandError("Interrupted: there is no new backup.", returncode=130) from None
        except (OSError, sqlite3.Error, DatabaseError) as error:
            raise CommandError(f"There is no new backup: {error}") from error
        self.stdout.write(f"{path}: {path.stat().st_size} bytes")


def refuse_path(path, *, force):
    if path.is_dir():
        raise CommandError(f"{path} is a folder; name a file in it.")
    if not path.parent.is_dir():
        raise CommandError(f"There is no folder {path.parent}.")
    if connection.vendor == "sqlite":
        # The server would go on writing to the replaced file, and all of that would be lost when it ends.
        database = database_path()
        if database and path in {database.with_name(database.name + suffix) for suffix in ("", "-wal", "-shm")}:
            raise CommandError(f"{path} is the running database itself.")
    if path.exists() and not force:
        raise CommandError(f"{path} exists. Choose another name, or replace it with --force.")


def database_path():
    """Return the path of the open SQLite file, or None for a database in memory."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA database_list")
            name = cursor.fetchone()[2]
    except DatabaseError as error:
        raise CommandError(f"There is no new backup: {error}") from error
    return Path(name).resolve() if name else None


def copy_sqlite(path):
    connection.ensure_connection()
    database = connection.connection
    with closing(sqlite3.connect(path)) as copy, tqdm(unit=" pages", disable=None) as bar:

        def progress(status, remaining, total):
            bar.total = total
            bar.update(total - remaining - bar.n)

        # A backup in steps starts again whenever somebody writes between two steps; under steady writes it never ends.
        # Inside one read transaction every step sees the same moment. In WAL mode writers do not wait for it.
        database.execute("BEGIN DEFERRED")
        try:
            database.execute("SELECT 1 FROM sqlite_master").fetchone()
            database.backup(copy, pages=STEP_PAGES, progress=progress)
        finally:
            database.execute("ROLLBACK")
        # The copy's header still has the WAL mark of the original. Reading it would then need two more files beside it.
        (mode,) = copy.execute("PRAGMA journal_mode = DELETE").fetchone()
        if mode != "delete":
            raise CommandError(f"There is no new backup: the copy stays in {mode} mode.")
        findings = [finding for (finding,) in copy.execute("PRAGMA integrity_check")]
        if findings != ["ok"]:
            raise CommandError(f"There is no new backup: the copy is damaged: {findings[0]}")
        # A database restored from the copy is another history. Clients that follow the old one must notice.
        copy.execute("UPDATE notes_notebook SET epoch = lower(hex(randomblob(16)))")
        copy.commit()


def copy_postgresql(path):
    program = shutil.which("pg_dump")
    if program is None:
        raise CommandError("pg_dump is not on the PATH. It comes with PostgreSQL's client programs.")
    process = subprocess.Popen(
        [program, "--format=custom", "--no-password", f"--file={path}"],
        env={**os.environ, **postgresql_environment()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    # The length of the compressed archive is not known before the end.
    with process, tqdm(unit="B", unit_scale=True, disable=None) as bar:
        try:
            while True:
                try:
                    _, messages = process.communicate(timeout=0.2)
                    break
                except subprocess.TimeoutExpired:
                    bar.update(path.stat().st_size - bar.n)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise CommandError(f"There is no new backup: {messages.strip() or f'pg_dump ended with {process.returncode}'}")


def postgresql_environment():
    """Return where this connection leads, for libpq, whose command line everybody on the machine can read."""
    connection.ensure_connection()
    info = connection.connection.info
    # Host and port may come from settings, options or a service file. The open connection knows the result.
    _, environment = connection.client.settings_to_cmd_args_env(connection.settings_dict, [])
    return {
        **(environment or {}),
        "PGHOST": info.host,
        "PGPORT": str(info.port),
        "PGUSER": info.user,
        "PGDATABASE": info.dbname,
        **({"PGPASSWORD": info.password} if info.password else {}),
    }


def keep_name(folder):
    """Keep the new name through a power cut: on POSIX a name is stored when its folder is."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
