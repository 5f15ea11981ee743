"""A PostgreSQL server and its streaming replica, from the programs that tests.postgres finds."""

import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg

from tests.postgres import SETTINGS, Cluster, bin_directory, initialise, prepare_for_root, without_pg_variables


class Server(Cluster):
    def __init__(self, programs, data, run):
        options = [f"--{name}={value}" for name, value in {**SETTINGS, "synchronous_commit": "on"}.items()]
        command = [programs / "postgres", "-D", data, f"--unix_socket_directories={data}", *options]
        super().__init__(command, data, data.with_suffix(".log"), run)

    def sql(self, statement):
        with psycopg.connect(host=str(self.data), user="postgres", dbname="postgres", autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchone()[0] if cursor.description else None


@contextmanager
def pair(**settings):
    """Yield a primary and its replica, running. `settings` are the primary's."""
    programs = bin_directory()
    run = {"env": without_pg_variables()}
    with tempfile.TemporaryDirectory(prefix="pg-pair-") as name:
        folder = Path(name)
        run["cwd"] = folder
        if os.geteuid() == 0:
            programs, user = prepare_for_root(programs, folder)
            run.update(user)
        primary, replica = (Server(programs, folder / name, run) for name in ("primary", "replica"))
        initialise(programs, primary.data, **run)
        primary.start()
        source = f"host={primary.data} user=postgres application_name=replica"
        command = [programs / "pg_basebackup", "-D", replica.data, "-d", source, "-R", "-X", "stream", "-c", "fast"]
        subprocess.run([*command, "--no-sync"], check=True, **run)
        # The lock of the primary's socket.
        (replica.data / ".s.PGSQL.5432.lock").unlink()
        replica.start()
        # Only now: the first statements would wait for a replica that is not there yet.
        for setting, value in settings.items():
            primary.sql(f"ALTER SYSTEM SET {setting} = '{value}'")
        primary.sql("SELECT pg_reload_conf()")
        try:
            yield primary, replica
        finally:
            for server in (primary, replica):
                server.stop()


def url_of_both(primary, replica, options=""):
    """Return a DATABASE_URL that leads to whichever of the two takes writes."""
    hosts = quote(f"{primary.data},{replica.data}", safe="")
    query = f"host={hosts}&target_session_attrs=read-write"
    return f"postgres://postgres@/postgres?{query}" + (f"&options={quote(options)}" if options else "")
