"""Backups of PostgreSQL: archives of pg_dump."""

import os
import secrets
import shutil
import subprocess
from contextlib import contextmanager

from django.core.management import CommandError
from django.db import OperationalError, connection
from tqdm import tqdm

ENDING = ".dump"
MAX_NAME_BYTES = 63


def place():
    return connection.settings_dict["NAME"]


def files():
    return set()


def copy(path):
    """Dump the running database to a file."""
    # The length of the compressed archive is not known before the end.
    run("pg_dump", "--format=custom", f"--file={path}", size=lambda: path.stat().st_size)


@contextmanager
def scratch():
    """Yield the name of a new, empty database beside the running one."""
    name = f"notes_scratch_{secrets.token_hex(8)}"
    try:
        in_server(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        yield name
    finally:
        in_server(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def in_server(statement, params=None):
    """Execute a statement beside all databases of notes. Return its first row, if it has any."""
    with connection._nodb_cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.fetchone() if cursor.description else None


def load(path):
    """Restore an archive into the database of this connection."""
    options = ["--exit-on-error", "--no-owner", "--no-privileges"]
    run("pg_restore", *options, f"--dbname={place()}", path, size=size)
    with connection.cursor() as cursor:
        # Without statistics the first queries would take bad ways.
        cursor.execute("SET statement_timeout = 0; ANALYZE")


def size():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return cursor.fetchone()[0]


def run(name, *arguments, size):
    """Run a client program on the database of this connection. `size` returns how far it has come, in bytes."""
    program = shutil.which(name)
    if program is None:
        raise CommandError(f"{name} is not on the PATH. It comes with PostgreSQL's client programs.")
    process = subprocess.Popen(
        [program, "--no-password", *arguments],
        env={**os.environ, **environment()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    with process, tqdm(unit="B", unit_scale=True, disable=None) as bar:
        try:
            while True:
                try:
                    _, messages = process.communicate(timeout=0.2)
                    break
                except subprocess.TimeoutExpired:
                    bar.update(size() - bar.n)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise OperationalError(messages.strip() or f"{name} ended with {process.returncode}")


def environment():
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


def is_there():
    return in_server("SELECT 1 FROM pg_database WHERE datname = %s", [place()]) is not None


def refuse_if_open():
    if in_server("SELECT 1 FROM pg_stat_activity WHERE datname = %s", [place()]):
        raise CommandError(f"The database {place()} is open in another process: stop the service first.")


def put_in_place(name, mark):
    quoted = connection.ops.quote_name
    rename = f"ALTER DATABASE {quoted(name)} RENAME TO {quoted(place())}"
    if not is_there():
        in_server(rename)
        return None
    aside = f"{place()[: MAX_NAME_BYTES - len(mark) - 1]}_{mark}"
    # One transaction. Either rename fails when somebody has the database open.
    in_server(f"BEGIN; ALTER DATABASE {quoted(place())} RENAME TO {quoted(aside)}; {rename}; COMMIT")
    return aside
