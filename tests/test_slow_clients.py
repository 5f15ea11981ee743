"""Slow clients do no harm: they hold no thread and little memory, and a body that is not whole in time is given up."""

import asyncio
import itertools
import json
import socket
import threading
import time
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import pytest

from notes.models import Note
from notesproject import uploads
from notesproject.rsgi import Lane
from notesproject.uploads import Memory, Upload
from tests.server import running, serving
from tests.test_framing import CHUNKED, JSON, NOTES, Answer, assert_refused, chunks, post
from tests.wire import Connection

TIMEOUT_SECONDS = 60
PATIENCE_SECONDS = 2
# `manage.py serve`, but a body has less time.
IMPATIENT = f"""
import sys
import django
django.setup()
from django.core.management import call_command
from notesproject import uploads
uploads.PATIENCE_SECONDS = {PATIENCE_SECONDS}
call_command("serve", port=int(sys.argv[1]))
"""


def connected(server, sent=b""):
    client = socket.create_connection(("127.0.0.1", urlsplit(server.url).port), timeout=TIMEOUT_SECONDS)
    client.sendall(sent)
    return client


@contextmanager
def dribbling(clients, seconds):
    """Send a space on every connection, again and again with this pause, until the block ends."""
    done = threading.Event()

    def dribble():
        while not done.wait(seconds):
            for client in clients:
                try:
                    client.sendall(b" ")
                except OSError:
                    done.set()

    thread = threading.Thread(target=dribble)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def seconds_of_reads(server, count):
    with Connection(server.url) as reader:
        for _ in range(count):
            started = time.monotonic()
            assert reader.get(NOTES).status == 200
            yield time.monotonic() - started


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("slow_bodies", "half_heads", "idle", "reads"),
    [(40, 40, 200, 20), pytest.param(1000, 500, 500, 1000, marks=pytest.mark.prove)],
)
def test_a_read_is_answered_at_once_whoever_else_is_slow(notebook, slow_bodies, half_heads, idle, reads):
    upload = post(JSON, "Content-Length: 100000", body=b"{")

    with serving() as server, ExitStack() as clients:
        slow = [clients.enter_context(connected(server, upload)) for _ in range(slow_bodies)]
        for sent in [*[b"GET / HTTP/1.1\r\nHost: loc"] * half_heads, *[b""] * idle]:
            clients.enter_context(connected(server, sent))
        with dribbling(slow, seconds=0.2):
            seconds = sorted(seconds_of_reads(server, reads))
            written = write(server)

    # The slowest may have met another program of this machine.
    assert seconds[len(seconds) // 2] < 0.25
    assert written.status == 201


def write(server):
    with Connection(server.url) as writer:
        return writer.send("POST", NOTES, {"title": "Quick"})


@pytest.mark.prove
@pytest.mark.once
@pytest.mark.django_db(transaction=True)
def test_a_body_that_is_not_whole_in_time_is_given_up_however_it_comes(notebook):
    announced = post(JSON, "Content-Length: 1000", body=b"{")
    chunked = post(JSON, CHUNKED, body=chunks(b"{", end=b""))

    with running("-c", IMPATIENT, "{port}") as server, ExitStack() as clients:
        silent, dribbled, silent_chunks = (
            clients.enter_context(connected(server, sent)) for sent in (announced, announced, chunked)
        )
        started = time.monotonic()
        with dribbling([dribbled], seconds=0.1):
            answers = [Answer(client) for client in (silent, dribbled, silent_chunks)]
        seconds = time.monotonic() - started
        ends = [client.recv(1) for client in (silent, silent_chunks)]
        whole = slowly_but_in_time(server)

    for answer in answers:
        assert_refused(answer, 408)
        assert json.loads(answer.content)["code"] == "request_timeout"
    assert seconds > PATIENCE_SECONDS * 0.9
    # The connections are closed.
    assert ends == [b"", b""]
    assert whole.status == 201
    assert Note.objects.get().title == "Slow"


def slowly_but_in_time(server):
    body = b'{"title": "Slow"}'
    with connected(server, post(JSON, f"Content-Length: {len(body)}")) as client:
        for byte in body:
            time.sleep(PATIENCE_SECONDS / 2 / len(body))
            client.sendall(bytes([byte]))
        return Answer(client)


# Without a server


class Pieces:
    """What granian hands over: the pieces of a body, and an empty one at its end."""

    def __init__(self, *pieces, pause=0):
        self.pieces = iter([*pieces, b""])
        self.pause = pause

    def __aiter__(self):
        return self

    async def __anext__(self):
        await asyncio.sleep(self.pause)
        return next(self.pieces)


def environ_of(length):
    return {"CONTENT_LENGTH": str(length), "CONTENT_TYPE": "application/json"}


async def read(memory, length, pieces):
    """Read a body with this memory; return (the status of its refusal or None, its bytes)."""
    environ = environ_of(length)
    with Upload(pieces, memory) as upload:
        await upload.read(environ, max_bytes=1000)
        return environ.get("notes.refusal"), environ["wsgi.input"].read()


def test_more_time_is_given_to_a_larger_body():
    assert uploads.seconds_for(0) == 30
    assert uploads.seconds_for(2_500_000) == 280


def test_chunks_get_more_time_as_they_come(monkeypatch):
    monkeypatch.setattr(uploads, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(uploads, "BYTES_A_SECOND", 50)
    environ = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_TYPE": "application/json", "wsgi.input_terminated": True}

    async def refusal_of(pieces):
        with Upload(pieces, Memory(1000)) as upload:
            await upload.read(own := dict(environ), max_bytes=1000)
        return own.get("notes.refusal")

    # Ten pieces take 0.5 seconds. Ten bytes each earn them two seconds more, one byte each only 0.2.
    assert asyncio.run(refusal_of(Pieces(*[b"x" * 10] * 10, pause=0.05))) is None
    assert asyncio.run(refusal_of(Pieces(*[b"x"] * 10, pause=0.05))) == 408


def test_where_bodies_fill_the_memory_the_largest_gives_way():
    memory = Memory(1000)

    async def crowd():
        endless = Pieces(*itertools.repeat(b"x" * 90, 10), *itertools.repeat(b"x", 50), pause=0.01)
        large = asyncio.create_task(read(memory, 1000, endless))
        await asyncio.sleep(0.2)
        small = await asyncio.gather(*[read(memory, 200, Pieces(b"y" * 200)) for _ in range(3)])
        return await large, small

    large, small = asyncio.run(crowd())

    assert large == (503, b"")
    assert small == [(None, b"y" * 200)] * 3
    assert memory.free == 1000
    assert not memory.arriving


def test_a_body_takes_memory_until_its_request_is_answered():
    memory = Memory(1000)

    async def hold():
        with Upload(Pieces(b"x" * 900), memory) as upload:
            await upload.read(environ_of(900), max_bytes=1000)
            held = memory.free
            return held, await read(memory, 200, Pieces(b"y" * 200))

    held, other = asyncio.run(hold())

    assert held == 100
    assert other == (503, b"")
    assert memory.free == 1000


def test_a_lane_lets_requests_in_as_they_came_and_refuses_those_who_wait_too_long():
    async def crowd():
        lane = Lane(at_once=1, patience_seconds=0.2)
        first = await lane.place()
        second, third = asyncio.create_task(lane.place()), asyncio.create_task(lane.place())
        await asyncio.sleep(0.05)
        first.leave()
        first.leave()
        return await second, await third, lane.waiting

    second, third, waiting = asyncio.run(crowd())

    assert second is not None
    assert third is None
    assert waiting == 0
