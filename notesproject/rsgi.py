"""The service for granian's RSGI interface, as `manage.py serve` runs it: on an event loop, and in a few threads.

A request waits on the loop, for its body and for its place in a lane, where it holds neither a thread nor a connection.
What is quick is answered on the loop itself. The rest is answered in threads, by Django's plain WSGI handler.
"""

import asyncio
import os
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from io import BytesIO

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "notesproject.settings")

from django.conf import settings
from django.core.cache import caches
from django.db import DatabaseError, connection
from rest_framework.permissions import SAFE_METHODS

from notes import databases, logs, renames, turns
from notes.api.bodies import refuse_bad_charset
from notesproject.handler import Handler
from notesproject.uploads import Memory, Upload

# More threads at a time would fight for Python's interpreter lock. Writers on SQLite mostly wait for each other, and so
# many share a commit. On PostgreSQL each has a connection, and eight processes stay below the hundred that it grants.
AT_ONCE = {"sqlite": {"reads": 2, "writes": 16}, "postgresql": {"reads": 6, "writes": 4}}
PLACES = 128
READ_PATIENCE_SECONDS = 30
WRITE_PATIENCE_SECONDS = 5
# Threads beyond the lanes, for requests that have stepped aside.
SPARE_THREADS = 4
MAX_BYTES_OF_BODIES = 64 * 1024 * 1024
# Granian opens a file at once, and tells nobody. A number that is closed too soon may be that of another file by then.
OPENED_WITHIN_SECONDS = 60

# Lists, single notes and the feed, by parameters that cost little. A search, a diff or a page for people may take long,
# and the loop must not stop for it.
QUICK_PATH = re.compile(r"/api/v1/(?:notes(?:/[0-9A-Fa-f-]+)?|changes|me)/?")
QUICK_QUERY = re.compile(r"(?:(?:cursor|limit|since|epoch|fields|omit|created_after|created_before)=[^&]*(?:&|$))*")


class Application:
    def __init__(self):
        self.on_sqlite = connection.vendor == "sqlite"
        self.handler = Handler()
        # The counters that all processes share have to be there before a fork.
        caches["default"]

    def __rsgi_init__(self, loop):
        """Prepare for requests, in each process."""
        logs.leave_out_origins()
        at_once = AT_ONCE[connection.vendor]
        self.loop = loop
        self.reads = Lane(at_once["reads"], READ_PATIENCE_SECONDS)
        self.writes = Lane(at_once["writes"], WRITE_PATIENCE_SECONDS)
        self.threads = ThreadPoolExecutor(sum(at_once.values()) + SPARE_THREADS, "requests")
        self.memory = Memory(MAX_BYTES_OF_BODIES)
        if self.on_sqlite:
            # From now on: `restore` must not replace the file under a server that waits for its first request. If the
            # file is gone, the requests tell.
            with suppress(DatabaseError):
                connection.ensure_connection()
                # It remembers which file this is.
                databases.close_if_moved()
        threading.Thread(target=renames.finish_all, daemon=True).start()

    async def __rsgi__(self, scope, proto):
        method, path, query, headers = request_of(scope)
        environ = environ_of(scope, method, path, query, headers)
        if "content-length" in headers or "transfer-encoding" in headers:
            with Upload(proto, self.memory) as upload:
                await upload.read(environ, settings.NOTES_MAX_REQUEST_BYTES)
                await self.answer_in_lane(environ, proto)
                if "notes.refusal" in environ and "expect" not in headers:
                    await upload.drain()
            return
        if "content-type" in headers:
            refuse_bad_charset(environ)
        if path == "/healthz" or (self.on_sqlite and is_quick(method, path, query, headers)):
            self.answer_on_loop(environ, proto)
        elif path == "/readyz":
            # In no lane: if the database hangs, so do all who have a place there.
            await asyncio.to_thread(self.answer, environ, proto)
        else:
            await self.answer_in_lane(environ, proto)

    def answer_on_loop(self, environ, proto):
        # Django keeps connections apart for each asynchronous task. This is none: until it returns, no other code runs.
        asyncio._set_running_loop(None)
        try:
            self.answer(environ, proto)
        finally:
            asyncio._set_running_loop(self.loop)

    async def answer_in_lane(self, environ, proto):
        lane = self.reads if environ["REQUEST_METHOD"] in SAFE_METHODS else self.writes
        if "notes.refusal" in environ:
            # No view will see it.
            self.answer_on_loop(environ, proto)
        elif place := await lane.place():
            try:
                await self.loop.run_in_executor(self.threads, self.answer_in_thread, environ, proto, place)
            finally:
                place.leave()
        else:
            environ["notes.refusal"] = 503
            self.answer_on_loop(environ, proto)

    def answer_in_thread(self, environ, proto, place):
        with turns.at_work(partial(self.loop.call_soon_threadsafe, place.leave)):
            self.answer(environ, proto)

    def answer(self, environ, proto):
        head = []
        response = self.handler(environ, lambda *said: head.extend(said))
        status, headers = int(head[0][:3]), head[1]
        if isinstance(response, list):
            proto.response_bytes(status, headers, *response)
            return
        if environ.get("notes.refusal") == 408:
            # The rest of the body is not worth waiting for.
            headers.append(("Connection", "close"))
        try:
            if not response.streaming:
                proto.response_bytes(status, headers, response.content)
            elif hasattr(response, "temporary_file"):
                self.send_file(proto, status, headers, response.temporary_file)
            else:
                send_piece_by_piece(proto, status, headers, response)
        finally:
            response.close()

    def send_file(self, proto, status, headers, file):
        """Let granian read the file as fast as the client does. Pieces would wait in memory for a slow client."""
        descriptor = os.dup(file.fileno())
        proto.response_file(status, headers, f"/dev/fd/{descriptor}")
        self.loop.call_soon_threadsafe(self.loop.call_later, OPENED_WITHIN_SECONDS, os.close, descriptor)


class Lane:
    """Lets `at_once` requests work at a time. Up to PLACES more wait on the loop, first come, first served."""

    def __init__(self, at_once, patience_seconds):
        self.free = asyncio.Semaphore(at_once)
        self.waiting = 0
        self.patience_seconds = patience_seconds

    async def place(self):
        """Wait for a place, and return it; None if it takes too long, or too many wait already."""
        if not self.free.locked():
            await self.free.acquire()
            return Place(self)
        if self.waiting >= PLACES:
            return None
        self.waiting += 1
        try:
            async with asyncio.timeout(self.patience_seconds):
                await self.free.acquire()
        except TimeoutError:
            return None
        finally:
            self.waiting -= 1
        return Place(self)


class Place:
    """Whoever holds it may work. It is left once, early by a request that steps aside."""

    def __init__(self, lane):
        self.lane = lane

    def leave(self):
        if self.lane:
            self.lane.free.release()
            self.lane = None


def request_of(scope):
    """Return (method, path, query, headers by their names in lower case)."""
    # Each look at scope.headers copies them.
    all_headers = scope.headers
    items = all_headers.items()
    headers = dict(items)
    if len(headers) < len(items):
        headers = {}
        for name, value in items:
            separator = "; " if name == "cookie" else ","
            headers[name] = f"{headers[name]}{separator}{value}" if name in headers else value
    if len(headers) < len(all_headers):
        # Those with other bytes than ASCII are missing. A key must not be taken for none.
        headers = dict.fromkeys(all_headers.keys(), NO_ASCII) | headers
    return scope.method, scope.path, scope.query_string, headers


NO_ASCII = "\xff"


def is_quick(method, path, query, headers):
    """Tell whether the answer never takes long on SQLite. A browser may get a page, and its session may be written."""
    return (
        method in {"GET", "HEAD"}
        and QUICK_PATH.fullmatch(path) is not None
        and QUICK_QUERY.fullmatch(query) is not None
        and "cookie" not in headers
        and "html" not in headers.get("accept", "")
    )


def environ_of(scope, method, path, query, headers):
    """Return the environ of WSGI (PEP 3333)."""
    server, _, port = scope.server.rpartition(":")
    environ = {
        "SCRIPT_NAME": "",
        "REQUEST_METHOD": method,
        "PATH_INFO": path if path.isascii() else path.encode().decode("latin-1"),
        "QUERY_STRING": query if query.isascii() else query.encode().decode("latin-1"),
        "SERVER_NAME": server,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": "HTTP/1.1" if scope.http_version == "1.1" else "HTTP/1.0",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": BytesIO(),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in headers.items():
        environ[VARIABLES[name]] = value
    return environ


class Variables(dict):
    """The names of headers in the environ. It remembers those that it has seen, up to a bound."""

    def __missing__(self, name):
        variable = "HTTP_" + name.upper().replace("-", "_")
        # `X_API_Key` would become the same as `X-API-Key`. No variable of this name is ever read.
        if "_" in name:
            variable = "dropped." + name
        if len(self) < 1000:
            self[name] = variable
        return variable


VARIABLES = Variables({"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"})


def send_piece_by_piece(proto, status, headers, response):
    transport = proto.response_stream(status, headers)
    for piece in response:
        transport.send_bytes(piece)


application = Application()
