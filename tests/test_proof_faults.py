"""Mixed load while something breaks every 20 seconds: no wrong answer, nothing acknowledged is lost, memory stays flat.

It takes two minutes. For ten: FAULTS_SECONDS=600 python -m pytest -m prove -s tests/test_proof_faults.py
"""

import itertools
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

import psycopg
import pytest
from django.db import connection as tests_own

from tests.disk import no_room, small_disk
from tests.postgres import CannotStart, cluster
from tests.server import PROJECT, free_port, process_environment
from tests.test_proof_kill import killable_server
from tests.wire import BROKEN, Connection, Follower

NOTES = "/api/v1/notes"
SECONDS = int(os.environ.get("FAULTS_SECONDS", "120"))
A_FAULT_EVERY = 20
WRITERS, READERS = 4, 2
LINES_OF_A_NOTE = 50
# How long a request may fail: longer than any fault takes.
PATIENCE_SECONDS = 60

pytestmark = pytest.mark.prove


class Client:
    """Sends a request again until it is answered for good, as docs/api.md asks of clients."""

    def __init__(self, url, tally):
        self.url, self.tally, self.connection = url, tally, None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        if self.connection:
            self.connection.http.close()
            self.connection = None

    def send(self, method, path, fields=None, headers=None):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = self.send_once(method, path, fields, headers)
            self.tally[answer.status if answer else "no answer"] += 1
            if answer and answer.status not in {503, 507}:
                return answer
            if answer:
                assert answer.headers["content-type"] == "application/problem+json"
                assert int(answer.headers["retry-after"]) > 0
                assert answer.json()["code"] in {"database_unavailable", "database_full", "overloaded"}
            assert time.monotonic() < deadline, f"{method} {path} has failed for {PATIENCE_SECONDS} seconds: {answer}"
            time.sleep(0.2)

    def send_once(self, *request):
        """Return the answer, or None if the connection broke."""
        try:
            if self.connection is None:
                self.connection = Connection(self.url)
            return self.connection.send(*request)
        except BROKEN:
            self.close()
            return None


class Writer:
    """Writes notes of its own, line by line. `acknowledged` are the lines of a note that a reader has to find."""

    def __init__(self, number):
        self.number = number
        self.acknowledged = {}  # The lines of each note, by its id.
        self.revision = 0

    def write_until(self, over, client):
        while not over.is_set():
            note_id = str(uuid.uuid4())
            title = {"id": note_id, "title": f"Note of {self.number}", "tags": [f"writer-{self.number}"]}
            self.write(client, "POST", NOTES, title)
            self.acknowledged[note_id] = 0
            while self.acknowledged[note_id] < LINES_OF_A_NOTE and not over.is_set():
                line = self.acknowledged[note_id]
                if line % 10 == 9:
                    # Two writes that stand or fall together.
                    lines = [{"op": "append", "id": note_id, "text": f"line {line + one}\n"} for one in range(2)]
                    self.write(client, "POST", "/api/v1/batch", {"operations": lines})
                    self.acknowledged[note_id] += 2
                else:
                    self.write(client, "POST", f"{NOTES}/{note_id}/append", {"text": f"line {line}\n"})
                    self.acknowledged[note_id] += 1

    def write(self, client, method, path, fields):
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        answer = client.send(method, path, fields, headers)
        assert answer.status in {200, 201}, answer
        if random.random() < 0.1:
            repeat = client.send(method, path, fields, headers)
            assert (repeat.status, repeat.content) == (answer.status, answer.content)
            assert repeat.headers["idempotency-replayed"] == "true"
        revisions = re.findall(rb'"revision":(\d+)', answer.content)
        assert int(revisions[0]) > self.revision, "a number was given twice"
        self.revision = int(revisions[-1])


def read_until(writers, over, client):
    while not over.is_set():
        writer = random.choice(writers)
        note_id, lines = random.choice(list(writer.acknowledged.items()) or [(None, 0)])
        if note_id:
            note = client.send("GET", f"{NOTES}/{note_id}")
            assert note.status == 200, note
            body = note.json()["body"]
            assert body == "".join(f"line {number}\n" for number in range(body.count("\n")))
            assert body.count("\n") >= lines, "an acknowledged line is missing"
            unchanged = client.send("GET", f"{NOTES}/{note_id}", None, {"If-None-Match": note.headers["etag"]})
            assert unchanged.status in {200, 304}, unchanged
        query = random.choice(["?limit=20", f"?q=tag:writer-{writer.number}&limit=5", "?q=line+1&limit=5"])
        answer = client.send("GET", NOTES + query)
        assert answer.status == 200, answer


def follow_until(follower, over, client):
    while not over.is_set():
        follower.catch_up(client)
        time.sleep(0.05)


class Service:
    """A server that is killed and started again at the same address."""

    def __init__(self, database_url):
        self.environment = {"DATABASE_URL": database_url}
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self):
        self.life = killable_server(self.port, **self.environment)
        self.server = self.life.__enter__()

    def kill(self):
        self.life.__exit__(None, None, None)

    def loses_a_worker(self):
        with suppress(ProcessLookupError):
            os.kill(int(random.choice(self.workers())), signal.SIGKILL)

    def is_killed(self):
        self.kill()
        time.sleep(1)
        self.start()

    def workers(self):
        """Return the pids of the workers."""
        pid = self.server.process.pid
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()

    def megabytes(self):
        """Return the memory that the worker with the most of it has for itself."""
        sizes = []
        for pid in self.workers():
            with suppress(FileNotFoundError, ProcessLookupError):
                found = re.search(r"Private_Dirty: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text())
                sizes.append(int(found[1]) / 1024)
        return max(sizes, default=0)

    def command(self, *arguments):
        command = [sys.executable, "manage.py", *arguments]
        environment = process_environment() | self.environment
        return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True)


class File:
    """The database on SQLite."""

    def __init__(self, disk):
        self.disk, self.folder = disk, disk / "data"
        self.folder.mkdir()
        self.path = self.folder / "notes.sqlite3"
        self.url = f"sqlite:///{self.path}"

    def faults(self, service):
        full = [self.has_no_room] if self.disk.is_mount() else []
        return [service.loses_a_worker, self.is_locked, *full, service.is_killed, self.is_moved]

    def is_locked(self):
        with closing(sqlite3.connect(self.path, isolation_level=None, timeout=20)) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(8)

    def has_no_room(self):
        with no_room(self.disk):
            time.sleep(5)

    def is_moved(self):
        self.folder.rename(self.disk / "elsewhere")
        time.sleep(5)
        (self.disk / "elsewhere").rename(self.folder)


class Database:
    """The database on PostgreSQL. Its notes and its log are on the small disk."""

    def __init__(self, server, disk):
        self.server, self.disk, self.url = server, disk, server.url

    def faults(self, service):
        full = [self.has_no_room] if self.disk.is_mount() else []
        return [service.loses_a_worker, self.is_killed, *full, service.is_killed, self.is_locked, self.is_stopped]

    def connect(self):
        return psycopg.connect(host=str(self.server.data), user="postgres", dbname="postgres", autocommit=True)

    def move_to_the_disk(self):
        with self.connect() as other:
            other.execute(f"CREATE TABLESPACE small LOCATION '{self.disk}'")
            for table in ("notes_note", "notes_revision"):
                other.execute(f"ALTER TABLE {table} SET TABLESPACE small")

    def is_locked(self):
        with self.connect() as other, other.transaction():
            other.execute("LOCK TABLE notes_notebook IN ACCESS EXCLUSIVE MODE")
            time.sleep(8)

    def has_no_room(self):
        with no_room(self.disk):
            time.sleep(5)

    def is_stopped(self):
        self.server.stop(signal.SIGINT)
        time.sleep(5)
        self.server.start()

    def is_killed(self):
        self.server.stop(signal.SIGKILL)
        for tries_left in reversed(range(50)):
            # Processes that it has left hold its memory until they find that it is gone.
            try:
                return self.server.start()
            except CannotStart:
                assert tries_left
                time.sleep(0.2)


@pytest.fixture
def database():
    with small_disk(megabytes=512) as disk:
        if tests_own.vendor == "sqlite":
            yield File(disk)
        else:
            with cluster(synchronous_commit="on") as server:
                yield Database(server, disk)


@contextmanager
def running(service):
    assert service.command("migrate", "--verbosity=0").returncode == 0
    service.start()
    try:
        yield
    finally:
        service.kill()


def test_whatever_breaks_under_load_heals(database):
    service, tally = Service(database.url), Counter()
    writers = [Writer(number) for number in range(WRITERS)]
    followers = [Follower(limit=10), Follower(limit=200)]

    with running(service):
        if isinstance(database, Database):
            database.move_to_the_disk()
        with load(service, tally, writers, followers) as threads:
            megabytes = break_again_and_again(database, service, tally, threads)
        with Client(service.url, tally) as client:
            for follower in followers:
                follower.catch_up(client)
                assert_has_all(follower, writers, client)
        verified = service.command("verify_notebook")

    print(f"{dict(tally)}; {verified.stdout.strip()}")
    assert verified.returncode == 0, verified.stdout
    # The first faults are those of workers that have only just begun.
    half = len(megabytes) // 2
    assert max(megabytes[half:]) < 1.25 * max(megabytes[:half])


@contextmanager
def load(service, tally, writers, followers):
    """Let all of them work while the block runs, and yield their threads. Whoever saw a wrong answer fails the test."""
    over = threading.Event()
    works = [writer.write_until for writer in writers] + [partial(read_until, writers)] * READERS
    works += [partial(follow_until, follower) for follower in followers]

    def work_until(work):
        with Client(service.url, tally) as client:
            work(over, client)

    with ThreadPoolExecutor(len(works)) as threads:
        working = [threads.submit(work_until, work) for work in works]
        try:
            yield working
        finally:
            over.set()
    for thread in working:
        thread.result()


def break_again_and_again(database, service, tally, threads):
    """Return the megabytes of a worker before each fault."""
    megabytes = []
    faults = itertools.cycle(database.faults(service))
    for fault in itertools.islice(faults, SECONDS // A_FAULT_EVERY):
        following = time.monotonic() + A_FAULT_EVERY
        time.sleep(A_FAULT_EVERY / 4)
        megabytes.append(service.megabytes())
        before = tally.copy()
        fault()
        time.sleep(max(0, following - time.monotonic()))
        print(f"{fault.__qualname__}: {dict(tally - before)}, {megabytes[-1]:.0f} MB", flush=True)
        for thread in threads:
            assert not thread.done(), thread.result()
    return megabytes


def assert_has_all(follower, writers, client):
    """Each line is in its note once, in its place, and the feed has told of every note at its last number."""
    lines = {note_id: count for writer in writers for note_id, count in writer.acknowledged.items()}
    assert follower.rows.keys() == lines.keys()
    assert follower.numbers == sorted(set(follower.numbers))
    for note_id, row in follower.rows.items():
        note = client.send("GET", f"{NOTES}/{note_id}").json()
        assert note["body"] == row["body"] == "".join(f"line {number}\n" for number in range(lines[note_id]))
        assert note["revision"] == row["revision"]
