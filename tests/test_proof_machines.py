"""More than one machine: servers behind nginx, PostgreSQL with a replica, and Redis, all of them real."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress

import pytest

from tests.proxies import needs, proxy
from tests.replication import pair, url_of_both
from tests.server import PROJECT, process_environment, serving
from tests.test_throttling import redis_server
from tests.wire import BROKEN, TIMEOUT_SECONDS, Connection, Follower

NOTES = "/api/v1/notes"
WRITERS = 6

pytestmark = [pytest.mark.once, pytest.mark.prove]


def manage(database_url, *arguments):
    environment = process_environment() | {"DATABASE_URL": database_url}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=PROJECT, env=environment, check=True, capture_output=True, text=True).stdout


def kill(server):
    """End the server at once, with all its processes."""
    for process in [server.process.pid, *map(int, re.findall(r"worker-\d+ with PID: (\d+)", server.log))]:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    server.process.wait()


class Writers:
    """Clients that write notes, each with a key of its own, and send each again until it is acknowledged."""

    def __init__(self, url):
        self.url = url
        self.acknowledged = {}
        self.ended = threading.Event()

    def write_on(self):
        while not self.ended.is_set():
            title = str(uuid.uuid4())
            while (note := self.send(title)) is None and not self.ended.wait(0.05):
                pass
            if note:
                self.acknowledged[title] = note["revision"]

    def send(self, title):
        """Return the note, or None if it is not known to be stored."""
        with suppress(*BROKEN), Connection(self.url) as client:
            answer = client.send("POST", NOTES, {"title": title}, {"Idempotency-Key": title})
            if answer.status == 201:
                return answer.json()
            assert answer.status == 503, answer
        return None

    def wait_for_more(self, count):
        goal, deadline = len(self.acknowledged) + count, time.monotonic() + TIMEOUT_SECONDS
        while len(self.acknowledged) < goal:
            assert time.monotonic() < deadline, f"{len(self.acknowledged)} of {goal}"
            time.sleep(0.02)


@contextmanager
def writing(url):
    writers = Writers(url)
    with ThreadPoolExecutor(WRITERS) as threads:
        running = [threads.submit(writers.write_on) for _ in range(WRITERS)]
        try:
            yield writers
        finally:
            writers.ended.set()
    for writer in running:
        writer.result()


def stored(url):
    """Return {title: revision} of what the feed tells, and assert that it tells each note once."""
    follower = Follower(limit=200)
    with Connection(url) as client:
        follower.catch_up(client)
    assert follower.numbers == sorted(set(follower.numbers))
    titles = [row["title"] for row in follower.rows.values()]
    assert len(titles) == len(set(titles))
    return {row["title"]: row["revision"] for row in follower.rows.values()}


@needs("nginx")
def test_several_servers_are_one_service_and_each_may_die(tmp_path):
    with ExitStack() as parts:
        primary, replica = parts.enter_context(pair())
        cache_url, _ = parts.enter_context(redis_server())
        environment = {
            "DATABASE_URL": url_of_both(primary, replica),
            "CACHE_URL": cache_url,
            "NOTES_RATE_FAILURES": "4/hour",
            "NOTES_PROXIES": "1",
        }
        manage(environment["DATABASE_URL"], "migrate")
        one, two, three = (parts.enter_context(serving("--processes", "1", **environment)) for _ in range(3))
        url = parts.enter_context(proxy("nginx", tmp_path, one.url, two.url, three.url))

        with Connection(one.url) as here, Connection(two.url) as there:
            assert_they_agree(here, there)

        with writing(url) as writers:
            writers.wait_for_more(50)
            kill(one)
            writers.wait_for_more(50)
            kill(two)
            writers.wait_for_more(50)

        found = stored(three.url)
        assert writers.acknowledged.items() <= found.items()
        assert "all in agreement" in manage(environment["DATABASE_URL"], "verify_notebook")


def assert_they_agree(here, there):
    """Assert that what one server has answered holds on the other, at once."""
    for number in range(20):
        made = here.send("POST", NOTES, {"title": f"{number}"}, {"Idempotency-Key": f"once-{number}"})
        path = f"{NOTES}/{made.json()['id']}"
        first_read = there.get(path)
        replayed = there.send("POST", NOTES, {"title": f"{number}"}, {"Idempotency-Key": f"once-{number}"})
        changed = there.send("PATCH", path, {"body": "there"}, {"If-Match": made.headers["etag"]})
        # It is kept there and here (see answers.py), and is not given again.
        read_here = here.get(path)
        stale = here.send("PATCH", path, {"body": "here"}, {"If-Match": made.headers["etag"]})
        unchanged = here.send("GET", path, headers={"If-None-Match": changed.headers["etag"]})

        assert first_read.json() == made.json() == replayed.json()
        assert "idempotency-replayed" in replayed.headers
        assert (changed.status, stale.status, unchanged.status) == (200, 412, 304)
        assert read_here.json() == changed.json() == stale.json()["current"]
        since = f"/api/v1/changes?since={made.json()['revision'] - 1}"
        assert here.get(since).json() == there.get(since).json()

    wrong = {"X-API-Key": "a wrong key of some length", "X-Forwarded-For": "192.0.2.1"}
    statuses = [client.send("GET", NOTES, headers=wrong).status for client in (here, there, here, there, here, there)]
    assert statuses == [401] * 4 + [429] * 2


def test_with_synchronous_replication_a_promotion_loses_nothing_acknowledged():
    with pair(synchronous_standby_names="replica") as (primary, replica):
        url = url_of_both(primary, replica)
        manage(url, "migrate")
        with serving("--processes", "2", DATABASE_URL=url) as server:
            with writing(server.url) as writers:
                writers.wait_for_more(100)
                primary.stop()
                replica.sql("SELECT pg_promote()")
                # The server finds the new primary by itself.
                writers.wait_for_more(50)

            assert writers.acknowledged.items() <= stored(server.url).items()
        assert "all in agreement" in manage(url, "verify_notebook")


def test_with_asynchronous_replication_a_promotion_may_lose_writes_and_clients_begin_again():
    with pair() as (primary, replica):
        url = url_of_both(primary, replica)
        manage(url, "migrate")
        follower = Follower(limit=50)
        with serving("--processes", "1", DATABASE_URL=url) as server, Connection(server.url) as client:
            kept = client.send("POST", NOTES, {"title": "Kept"})
            wait_until_replayed(primary, replica)
            replica.stop()
            lost = client.send("POST", NOTES, {"title": "Lost"})
            follower.catch_up(client)
        primary.stop()
        replica.start()
        replica.sql("SELECT pg_promote()")
        manage(url, "renew_epoch")

        with serving("--processes", "1", DATABASE_URL=url) as server, Connection(server.url) as client:
            gone = client.get(f"{NOTES}/{lost.json()['id']}")
            with_old_etag = client.send(
                "PATCH", f"{NOTES}/{kept.json()['id']}", {"body": "x"}, {"If-Match": kept.headers["etag"]}
            )
            new = client.send("POST", NOTES, {"title": "New"})
            told = client.get(f"/api/v1/changes?since={follower.since}&epoch={follower.epoch}")
            titles = stored(server.url)

    assert (kept.status, lost.status, gone.status) == (201, 201, 404)
    # It has the number of the lost one. Without a new epoch, a client that knows that number would miss it.
    assert new.json()["revision"] == lost.json()["revision"]
    assert (with_old_etag.status, told.status, told.json()["code"]) == (412, 410, "resync_required")
    assert set(titles) == {"Kept", "New"}


def wait_until_replayed(primary, replica):
    position = primary.sql("SELECT pg_current_wal_lsn()")
    while not replica.sql(f"SELECT pg_last_wal_replay_lsn() >= '{position}'"):
        time.sleep(0.02)


def test_a_write_waits_unseen_until_the_synchronous_replica_has_it():
    with pair(synchronous_standby_names="replica") as (primary, replica):
        url = url_of_both(primary, replica)
        manage(url, "migrate")
        with serving("--processes", "1", DATABASE_URL=url) as server, ThreadPoolExecutor() as clients:
            replica.stop()
            waiting = [clients.submit(Writers(server.url).send, title) for title in "12345"]
            # The first waits for the replica and keeps the notebook's lock. The others wait five seconds for it.
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            seen = stored(server.url)
            replica.start()
            notes = [client.result() for client in waiting]
            in_the_end = stored(server.url)

    assert [client.result() for client in done] == [None]
    assert not seen
    assert set() < {note["title"] for note in notes if note} == set(in_the_end)
