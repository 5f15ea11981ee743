"""Stopping and reloading the server under load: what was begun is answered, and what was answered is stored."""

import http.client
import re
import signal
import socket
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count

import pytest

from notes.models import Note
from tests.keys import OPERATOR_KEY
from tests.server import fresh_copy, running, serving
from tests.wire import TIMEOUT_SECONDS, Connection

NOTES = "/api/v1/notes"
CLIENTS = 8

pytestmark = [pytest.mark.once, pytest.mark.django_db(transaction=True)]


class Load:
    """Clients that write note after note, and remember the titles that were acknowledged."""

    def __init__(self, url):
        self.url = url
        self.acknowledged = set()
        self.faults = []
        self.titles = map(str, count())
        self.ended = threading.Event()

    def write_on(self, keeps):
        """Write until the end, or until nobody answers. Half of the clients keep their connection."""
        while not self.ended.is_set():
            try:
                with Connection(self.url) as client:
                    self.write(client, keeps)
            except ConnectionRefusedError:
                self.faults.append("refused")
                return
            except (http.client.RemoteDisconnected, BrokenPipeError):
                # The server has closed a kept connection while this request was on its way (RFC 9112, 9.3.1).
                self.faults.append("closed")

    def write(self, client, keeps):
        while not self.ended.is_set():
            title = next(self.titles)
            answer = client.send("POST", NOTES, {"title": title}, {} if keeps else {"Connection": "close"})
            assert answer.status == 201, answer
            self.acknowledged.add(title)
            if not keeps or answer.headers.get("connection") == "close":
                return


@contextmanager
def load(url):
    clients = Load(url)
    with ThreadPoolExecutor(CLIENTS) as threads:
        writing = [threads.submit(clients.write_on, number % 2) for number in range(CLIENTS)]
        try:
            time.sleep(0.5)
            yield clients
        finally:
            clients.ended.set()
    for client in writing:
        client.result()


@contextmanager
def half_sent(server, body):
    """A request in flight: all but the last bytes of its body have come."""
    with Connection(server.url) as client:
        client.http.putrequest("POST", NOTES)
        client.http.putheader("X-API-Key", OPERATOR_KEY)
        client.http.putheader("Content-Type", "application/json")
        client.http.putheader("Content-Length", len(body))
        client.http.endheaders(body[:5])
        yield client.http


def stored():
    return set(Note.objects.values_list("title", flat=True))


@pytest.mark.parametrize("signum", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.prove)])
def test_a_stop_under_load_answers_what_it_stores_and_stores_what_it_answers(notebook, signum):
    with serving("--processes", "2") as server, load(server.url) as clients:
        server.process.send_signal(signum)
        code = server.process.wait(TIMEOUT_SECONDS)

    assert code == 0
    assert set(clients.faults) <= {"closed", "refused"}
    assert clients.acknowledged
    assert stored() == clients.acknowledged


@pytest.mark.prove
def test_a_request_that_does_not_end_is_cut_after_a_time(notebook):
    with (
        serving("--processes", "1", "--stop-seconds", "1") as server,
        half_sent(server, b'{"title": "Stuck"}') as stuck,
    ):
        time.sleep(0.2)
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(TIMEOUT_SECONDS)
        seconds = time.monotonic() - started

        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            stuck.getresponse()

    assert 0.9 < seconds < 5
    assert not stored()


@contextmanager
def copy_serving(folder, **environment):
    """Yield a server of a copy of the project on the database of the tests, with a .env of its own."""
    fresh_copy(folder)
    (folder / ".env").write_text("NOTES_PUBLIC_READS=True")
    command = [str(folder / "manage.py"), "serve", "--port", "{port}", "--processes", "2"]
    with running(*command, NOTES_ENV_FILE=str(folder / ".env"), **environment) as server:
        yield server


def reload(server, signs):
    """Send SIGHUP and wait until so many lines that say what came of it are in the log."""
    server.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while len(re.findall("Started worker-. runtime|does not start. This one goes on", server.log)) < signs:
        assert time.monotonic() < deadline, server.log
        time.sleep(0.05)


def main_process(server):
    return f"Starting granian (main PID: {server.process.pid})"


@pytest.mark.prove
def test_a_reload_under_load_takes_new_code_and_settings_and_refuses_nobody(notebook, tmp_path):
    folder = tmp_path / "project"
    body = b'{"title": "In flight"}'

    with copy_serving(folder) as server, load(server.url) as clients, half_sent(server, body) as in_flight:
        before = status_for_a_stranger(server)
        (folder / ".env").write_text("NOTES_PUBLIC_READS=False")
        with (folder / "notesproject/settings.py").open("a") as settings:
            settings.write('\nSPECTACULAR_SETTINGS["TITLE"] = "New code"\n')
        reload(server, signs=4)
        after = status_for_a_stranger(server)
        schema = urllib.request.urlopen(f"{server.url}/api/schema", timeout=TIMEOUT_SECONDS).read()
        in_flight.send(body[5:])
        answer = in_flight.getresponse()
        log = server.log

    assert (before, after) == (200, 401)
    assert b"New code" in schema
    # The process that the operator started is still the main one.
    assert log.count(main_process(server)) == 2
    assert answer.status == 201
    assert "refused" not in clients.faults
    assert stored() == clients.acknowledged | {"In flight"}


def status_for_a_stranger(server):
    with Connection(server.url) as stranger:
        stranger.http.request("GET", NOTES)
        return stranger.http.getresponse().status


@pytest.mark.prove
def test_a_version_that_does_not_start_is_not_taken(notebook, tmp_path):
    folder = tmp_path / "project"

    with copy_serving(folder) as server:
        (folder / ".env").write_text("NOTES_TRASH_DAYS=never")
        reload(server, signs=3)
        with Connection(server.url) as client:
            answer = client.send("POST", NOTES, {"title": "As before"})
        log = server.log

    assert answer.status == 201
    assert "NOTES_TRASH_DAYS in the environment or in .env is not usable" in log
    assert log.count(main_process(server)) == 1


@pytest.mark.prove
def test_a_stop_during_a_reload_is_a_stop(notebook):
    with serving("--processes", "1") as server:
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.1)
        server.process.send_signal(signal.SIGTERM)

        assert server.process.wait(TIMEOUT_SECONDS) == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])))
