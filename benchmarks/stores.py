"""Where the notes of the benchmark are: a database of each size is filled once, and every server has a copy."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg

from benchmarks import servers
from notesproject.environment import BASE_DIR
from tests.postgres import postgres


@contextmanager
def store(database, folder, scratch):
    """Yield the files of SQLite, which are kept where there is a folder, or a PostgreSQL server of our own."""
    if database == "sqlite":
        yield Files(folder or scratch, scratch)
    else:
        with postgres() as (url, _):
            yield Databases(url, scratch)


class Files:
    def __init__(self, folder, scratch):
        self.folder, self.scratch = folder, scratch

    def material(self, size):
        """Return what requests are made of, as benchmarks.material leaves it."""
        path = self.folder / f"sqlite-{size}.json"
        if not path.exists():
            # Without an address of a server the notes go into files.
            fill(size, self.folder, "sqlite:///unused.sqlite3")
        return json.loads(path.read_text())

    def copy(self, name, service, size):
        """Return the address of a copy, in the words of the service."""
        original = self.folder / (f"{size}.sqlite3" if service.is_ours else f"peers-{size}.sqlite3")
        path = self.scratch / f"{name}-{size}.sqlite3"
        shutil.copyfile(original, path)
        return f"sqlite:///{path}" if service.is_ours else str(path)

    def cpu_seconds(self):
        """SQLite works within the service."""
        return 0


class Databases:
    def __init__(self, url, scratch):
        self.url, self.scratch = url, scratch
        self.folder = unquote(urlsplit(url).path.removesuffix("/postgres"))

    def material(self, size):
        path = self.scratch / f"postgresql-{size}.json"
        if not path.exists():
            fill(size, self.scratch, self.url)
        return json.loads(path.read_text())

    def copy(self, name, service, size):
        original = f"notes_benchmark_{size}" if service.is_ours else f"peers_benchmark_{size}"
        copy = f"{name.replace('-', '_')}_{size}"
        with psycopg.connect(host=self.folder, user="postgres", dbname="postgres", autocommit=True) as server:
            server.execute(f"CREATE DATABASE {copy} TEMPLATE {original}")
        if service.is_ours:
            return f"{self.url.removesuffix('/postgres')}/{copy}"
        return f"host={self.folder} user=postgres dbname={copy}"

    def cpu_seconds(self):
        return servers.cpu_seconds(int(Path(self.folder, "postmaster.pid").read_text().split()[0]))


def fill(size, folder, url):
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "benchmarks.material", str(size), str(folder)]
    subprocess.run(command, cwd=BASE_DIR, env=os.environ | {"TESTS_DATABASE_URL": url}, check=True)
