"""Starts a real server, that of production or runserver, as a process on the database of the tests."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from django.db import connection

from notesproject.environment import ENVIRONMENT

PROJECT = Path(__file__).resolve().parent.parent
START_SECONDS = 20


@dataclass(frozen=True)
class Server:
    url: str
    log_path: Path
    process: subprocess.Popen

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")


def serving(*options, **environment):
    """Yield a running Server as in production; options are those of `serve`; keywords are environment variables.

    The test needs `transactional_db`: another process sees only what is committed.
    """
    return running("manage.py", "serve", "--port", "{port}", *options, **environment)


def serving_for_development(**environment):
    """Yield a running Server as `serving` does: Django's runserver."""
    return running("manage.py", "runserver", "--noreload", "127.0.0.1:{port}", **environment)


@contextmanager
def running(*arguments, **environment):
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="notes-server-") as folder:
        log_path = Path(folder, "log")
        with log_path.open("w") as log:
            process = subprocess.Popen(
                [sys.executable, *(argument.format(port=port) for argument in arguments)],
                cwd=PROJECT,
                env=process_environment() | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        server = Server(f"http://127.0.0.1:{port}", log_path, process)
        try:
            wait_until_ready(server)
            yield server
        finally:
            process.terminate()
            process.wait()


def process_environment():
    """Return the environment for a process on the database of the tests.

    Leave out tests.settings, which pytest-django has put there: it would make up a database of its own.
    """
    return os.environ | {"DJANGO_SETTINGS_MODULE": "notesproject.settings", "DATABASE_URL": database_url()}


def fresh_copy(folder):
    """Copy the project as a clone has it, without .env and database; what is installed is shared."""
    kept_out = shutil.ignore_patterns(".*", "*.sqlite3*", "tests", "__pycache__")
    shutil.copytree(PROJECT, folder, ignore=kept_out)
    shutil.copy(PROJECT / ".env.example", folder)
    (folder / ".venv").symlink_to(sys.prefix)


def make(*arguments):
    """Return the command that has make install nothing."""
    return ["make", "--old-file=.venv/installed", *arguments]


def environment_of_a_newcomer():
    """Return an environment with neither the settings of the tests nor the flags of the make that may run them."""
    ours = {*ENVIRONMENT, "NOTES_ENV_FILE", "DJANGO_SETTINGS_MODULE", "MAKEFLAGS", "MFLAGS", "MAKELEVEL"}
    return {name: value for name, value in os.environ.items() if name not in ours}


def database_url():
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{quote(str(database['NAME']))}"
    return f"postgres://{database['USER']}@/{quote(database['HOST'])}/{database['NAME']}"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def is_listening(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def wait_until_ready(server):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            urllib.request.urlopen(f"{server.url}/healthz", timeout=START_SECONDS).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"The server did not start:\n{server.log}")
