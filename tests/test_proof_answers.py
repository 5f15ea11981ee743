"""Never stale: two processes give answers again, and none is older than what was acknowledged before its request."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from notes.models import Notebook
from tests.people import make_key
from tests.server import serving
from tests.test_answers import SHOWN
from tests.wire import Connection
from tests.writing import create_note

NOTES = "/api/v1/notes"
KEYS = "/api/v1/keys"

pytestmark = [pytest.mark.prove, pytest.mark.django_db(transaction=True)]


def test_no_answer_of_any_process_is_older_than_the_last_acknowledged_write(notebook, by):
    note = create_note(notebook, by, title="Plan")
    _, key = make_key(notebook, "read")
    done, written, lock = threading.Event(), SimpleNamespace(last=note.revision), threading.Lock()

    def write(url, name):
        with Connection(url) as connection:
            for number in range(400):
                answer = connection.send("PATCH", f"{NOTES}/{note.uuid}", {"body": f"{name} {number}"})
                with lock:
                    written.last = max(written.last, answer.json()["revision"])
                # In between, answers are given again.
                done.wait(0.01)

    def read(url):
        late = []
        with Connection(url) as connection:
            while not done.is_set():
                for path, revision_of in SHOWN.items():
                    before = written.last
                    answer = connection.send("GET", path.format(note=note.uuid), headers={"X-API-Key": key})
                    revision = revision_of(answer.json())
                    if revision < before:
                        late.append((path, revision, before))
        return late

    with serving("--processes", "2") as server, ThreadPoolExecutor(8) as threads:
        readers = [threads.submit(read, server.url) for _ in range(6)]
        writers = [threads.submit(write, server.url, name) for name in ("one", "two")]
        try:
            for writer in writers:
                writer.result()
        finally:
            done.set()
        late = [reader.result() for reader in readers]

    assert late == [[]] * 6


def test_a_revoked_key_and_a_private_notebook_are_closed_in_every_process_at_once(notebook, by):
    create_note(notebook, by, title="Plan")

    with serving("--processes", "2") as server, ExitStack() as stack:
        # So many that each process has some of them.
        connections = [stack.enter_context(Connection(server.url)) for _ in range(12)]

        for _ in range(20):
            made = connections[0].send("POST", KEYS, {"name": "phone", "level": "read"}).json()
            opened = [statuses(connections, {"X-API-Key": made["key"]}) for _ in range(3)]
            assert connections[0].send("DELETE", f"{KEYS}/{made['id']}").status == 204
            closed = statuses(connections, {"X-API-Key": made["key"]})
            assert (opened, closed) == ([{200}] * 3, {401})

        for _ in range(20):
            opened = [statuses(connections, {}) for _ in range(3)]
            Notebook.objects.update(public=False)
            closed = statuses(connections, {})
            Notebook.objects.update(public=True)
            assert (opened, closed) == ([{200}] * 3, {401})


def statuses(connections, headers):
    found = set()
    for connection in connections:
        connection.http.request("GET", NOTES, headers=headers)
        response = connection.http.getresponse()
        response.read()
        found.add(response.status)
    return found
