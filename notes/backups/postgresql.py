"""Backups of PostgreSQL: archives of pg_dump."""

import os
import shutil
import subprocess

from django.core.management import CommandError
from django.db import OperationalError, connection
from tqdm import tqdm

ENDING = ".dump"


def files():
    return set()


def copy(path):
    """Dump the running database to a file."""
    # The length of the compressed archive is not known before the end.
    run("pg_dump", "--format=custom", f"--file={path}", size=lambda: path.stat().st_size)


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
