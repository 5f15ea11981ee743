"""Safe retry: a server killed in the middle of its writes loses none that it acknowledged, and doubles none."""

import itertools
import os
import queue
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.db import connection as database

from notes import verification
from notes.door import Door
from tests.server import PROJECT, Server, free_port, process_environment, wait_until_ready
from tests.wire import BROKEN, TIMEOUT_SECONDS, Answer, Connection, Follower, following

NOTES = "/api/v1/notes"
WRITERS = 8
# The client does not wait for these answers, so there is always a write that was stored and is in doubt.
HANGS_UP_EVERY = 7

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.prove
@dataclass
class Write:
    number: int
    key: str = field(default_factory=lambda: str(uuid.uuid4()))
    sent: bool = False
    answer: Answer | None = None

    @property
    def is_acknowledged(self):
        return self.answer is not None

    @property
    def is_in_doubt(self):
        return self.sent and self.answer is None

    @property
    def line(self):
        return f"line {self.number}\n"

    def request(self, shared):
        """Return method, address, fields and headers."""
        headers = {"Idempotency-Key": self.key}
        if self.number % 2:
            return "POST", f"{NOTES}/{shared.uuid}/append", {"text": self.line}, headers
        return "POST", NOTES, {"title": self.line}, headers


def test_a_server_killed_in_the_middle_loses_nothing_and_a_retry_doubles_nothing(notebook, by):
    prove_that_kills_do_no_harm(notebook, by, count=60, kills=1)


@pytest.mark.prove
@pytest.mark.parametrize("round", range(5))
def test_a_server_killed_again_and_again_loses_nothing_and_a_retry_doubles_nothing(notebook, by, round):
    prove_that_kills_do_no_harm(notebook, by, count=200, kills=5)


def prove_that_kills_do_no_harm(notebook, by, *, count, kills):
    """Half of the writes make a note whose id the server chooses, half add a line to one and the same note."""
    with Door(notebook, by) as door:
        shared = door.create(title="Shared")
    writes = [Write(number) for number in range(count)]
    follower = Follower(limit=10)
    stored_in_doubt = set()

    for _ in range(kills):
        # Enough answers come first, so that the kill is in the middle; enough writes are left for the other rounds.
        kill_after = random.randint(count // (4 * kills), 3 * count // (4 * kills))
        send_all(writes, shared, follower, kill_after=kill_after)

        log = what_was_written(notebook)
        in_doubt = [write for write in writes if write.is_in_doubt]
        stored = {write.key for write in in_doubt if log[write.number]}
        print(f"Killed after {kill_after} answers: {len(in_doubt)} writes in doubt, {len(stored)} of them stored.")
        stored_in_doubt |= stored
        assert in_doubt
        assert all(log[write.number] == 1 for write in writes if write.is_acknowledged)
        assert max(log.values()) == 1
        assert list(verification.problems(notebook)) == []

    send_all(writes, shared, follower)

    assert all(write.is_acknowledged for write in writes)
    assert {write.key for write in writes if "idempotency-replayed" in write.answer.headers} == stored_in_doubt
    assert what_was_written(notebook) == Counter(range(count))
    assert Counter(shared_lines(shared)) == Counter(write.line for write in writes if write.number % 2)
    assert list(verification.problems(notebook)) == []
    assert_the_feed_has_no_hole(follower, notebook)


def send_all(writes, shared, follower, *, kill_after=None):
    """Send what has no answer yet, on eight connections at once. Kill the server shortly after that many answers."""
    waiting = queue.SimpleQueue()
    for write in writes:
        if not write.is_acknowledged:
            waiting.put(write)
    answers = itertools.count(1)

    def send_what_waits(server):
        with suppress(queue.Empty, *BROKEN), Connection(server.url) as connection:
            while True:
                write = waiting.get_nowait()
                if kill_after and not write.sent and write.number % HANGS_UP_EVERY == 0:
                    send_and_hang_up(write, shared, server)
                    continue
                send(write, shared, connection)
                if next(answers) == kill_after:
                    # At any moment between the answer to one write and the answers to the next ones.
                    time.sleep(random.uniform(0, 0.02))
                    kill(server)

    # Close our connection before the kill: the next process to open the database then has to recover it.
    database.close()
    with killable_server() as server:
        with ThreadPoolExecutor(WRITERS) as threads, following(server.url, follower):
            list(threads.map(send_what_waits, [server] * WRITERS))
        if kill_after is None:
            with Connection(server.url) as connection:
                follower.catch_up(connection)
    if database.vendor == "postgresql":
        wait_until_nobody_is_connected()


def send(write, shared, connection):
    write.sent = True
    answer = connection.send(*write.request(shared))
    assert answer.status in {200, 201}, answer
    write.answer = answer


def send_and_hang_up(write, shared, server):
    with Connection(server.url) as connection:
        write.sent = True
        connection.send_only(*write.request(shared))


@contextmanager
def killable_server(port=None, **environment):
    """Yield a running Server as `serving` does, with two workers and all its processes in a group of their own."""
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="notes-server-") as folder:
        log_path = Path(folder, "log")
        with (
            log_path.open("w") as log,
            subprocess.Popen(
                [sys.executable, "manage.py", "serve", "--port", str(port), "--processes", "2"],
                cwd=PROJECT,
                env=process_environment() | environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            ) as process,
        ):
            server = Server(f"http://127.0.0.1:{port}", log_path, process)
            try:
                wait_until_ready(server)
                yield server
            finally:
                kill(server)


def kill(server):
    """Send kill -9 to the whole group: the workers would survive the main process."""
    with suppress(ProcessLookupError):
        os.killpg(server.process.pid, signal.SIGKILL)
    # The pipe ends with the last process; until then one may still be in the middle of its COMMIT.
    server.process.stdout.read()
    server.process.wait()


def wait_until_nobody_is_connected():
    """PostgreSQL goes on with the COMMIT of a client that has died."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with database.cursor() as cursor:
        while cursor.execute(others).fetchone() != (0,):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def what_was_written(notebook):
    """Return {number of a write: its rows in the log}, read from what each row added."""
    numbers = Counter()
    body = {}
    for row in notebook.revisions.order_by("number").exclude(number=1):
        text = row.title if row.action == "create" else row.body.removeprefix(body.get(row.note_id, ""))
        body[row.note_id] = row.body
        numbers[int(text.removeprefix("line "))] += 1
    return numbers


def shared_lines(shared):
    shared.refresh_from_db()
    return shared.body.splitlines(keepends=True)


def assert_the_feed_has_no_hole(follower, notebook):
    notebook.refresh_from_db()
    assert follower.since == notebook.revision
    assert follower.numbers == sorted(set(follower.numbers))
    present = {str(uuid): revision for uuid, revision in notebook.notes.values_list("uuid", "revision")}
    assert {note_id: row["revision"] for note_id, row in follower.rows.items()} == present
    log = list(notebook.revisions.order_by("number").values_list("number", flat=True))
    assert log == list(range(1, notebook.revision + 1))
