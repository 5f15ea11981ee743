"""A notebook as a file over HTTP: the same as that of the command, for few, and one at a time."""

import re
import socket
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.core.cache import cache
from django.core.management import call_command

from notes import transfer
from notes.api.views import export
from notes.models import Notebook
from tests.keys import OPERATOR_KEY
from tests.people import client_with_key, make_key
from tests.problems import problem_of
from tests.server import serving
from tests.test_framing import Answer
from tests.wire import Connection
from tests.writing import create_note, create_notes, edit

EXPORT = "/api/v1/export"
TIMEOUT_SECONDS = 60


def test_an_export_over_http_is_that_of_the_command(notebook, note, by, capfdbinary):
    edit(note, by, body="Three\n")
    _, key = make_key(notebook, "admin")
    call_command("export_notebook", "default")

    response = client_with_key(key).get(EXPORT)

    assert response.getvalue() == capfdbinary.readouterr().out
    assert response["Content-Type"] == "application/x-ndjson"
    assert response["Content-Disposition"] == 'attachment; filename="default.ndjson"'
    assert response["Cache-Control"] == "private, no-cache"


def test_another_notebook_is_not_in_it(note):
    _, key = make_key(Notebook.objects.create(name="other"), "admin")

    assert client_with_key(key).get(EXPORT).getvalue().count(b"\n") == 2


def test_there_is_one_export_at_a_time(operator):
    assert export.exports.take(seconds=0)
    try:
        refused = operator.get(EXPORT)
    finally:
        export.exports.give_back()

    assert problem_of(refused, 503)["code"] == "overloaded"
    assert refused["Retry-After"]
    assert operator.get(EXPORT).getvalue()


def test_a_long_export_counts_as_many_reads(operator, notebook, by, settings):
    create_note(notebook, by, title="Long", body="x" * 100_000)
    create_note(notebook, by, title="Long", body="x" * 100_000)
    settings.NOTES_RATE_READS = (1000, 86_400)
    cache.clear()

    response = operator.get(EXPORT)

    assert 200_000 < len(response.getvalue()) < 300_000
    assert response["RateLimit"].startswith('"reads";r=997;')


def test_a_full_disk_is_a_507_and_ends_the_export(transactional_db, operator, monkeypatch, caplog):
    def full(dir):
        return open("/dev/full", "w+b", buffering=0)

    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "TemporaryFile", full)
        refused = operator.get(EXPORT)

    assert problem_of(refused, 507)["code"] == "database_full"
    # The error lives on in the log. The snapshot must not: nothing can be written in it.
    assert caplog.records
    assert operator.post("/api/v1/notes", {"title": "Plan"}).status_code == 201
    assert operator.get(EXPORT).getvalue()


def megabytes(server):
    """Return the memory of all processes of a server."""
    main = server.process.pid
    children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
    statuses = [Path(f"/proc/{process}/status").read_text() for process in (main, *children)]
    return sum(int(re.search(r"VmRSS:\s+(\d+)", status)[1]) for status in statuses) // 1024


@pytest.mark.prove
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_slow_client_of_an_export_takes_no_memory_and_keeps_nobody_waiting(transactional_db, notebook, by):
    create_notes(notebook, by, [{"title": "Long", "body": "x" * 100_000} for _ in range(600)])
    request = f"GET {EXPORT} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {OPERATOR_KEY}\r\n\r\n".encode()

    with serving("--processes", "1") as server, Connection(server.url) as other:
        other.get("/api/v1/notes?limit=1")
        before, place = megabytes(server), ("127.0.0.1", urlsplit(server.url).port)
        with (
            socket.create_connection(place, timeout=TIMEOUT_SECONDS) as slow,
            socket.create_connection(place, timeout=TIMEOUT_SECONDS) as gone,
        ):
            for number, client in enumerate([slow, gone], 1):
                client.sendall(request)
                deadline = time.monotonic() + TIMEOUT_SECONDS
                while server.log.count(f"GET '{EXPORT}' 200") < number:
                    assert time.monotonic() < deadline, server.log
                    time.sleep(0.05)
            gone.close()
            # They wait for two files of 60 MB.
            time.sleep(1)
            assert megabytes(server) - before < 30
            assert other.send("PATCH", f"/api/v1/notes/{notebook.notes.first().uuid}", {"body": ""}).status == 200
            lines = Answer(slow, method="GET").content.splitlines(keepends=True)

    assert len(lines) == 602
    assert lines[1:601] == list(transfer.lines(notebook))[1:601]
