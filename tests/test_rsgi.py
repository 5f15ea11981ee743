"""From the server to Django: what a request says reaches Django unchanged, and only quick answers hold the loop."""

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from notes import transfer
from notesproject.rsgi import VARIABLES, environ_of, is_quick, request_of
from tests.keys import OPERATOR_KEY
from tests.server import serving
from tests.test_framing import Answer, Wire

pytestmark = pytest.mark.once

NOTES = "/api/v1/notes"
NO_TEXT = object()


class Headers:
    """Headers as granian gives them: one whose bytes are no ASCII is among the keys, but not among the items."""

    def __init__(self, *fields):
        self.fields = fields

    def items(self):
        return [(name, value) for name, value in self.fields if value is not NO_TEXT]

    def keys(self):
        return list(dict.fromkeys(name for name, _ in self.fields))

    def __len__(self):
        return len(self.keys())


@dataclass
class Scope:
    method: str = "GET"
    path: str = NOTES
    query_string: str = ""
    headers: Headers = field(default_factory=Headers)
    scheme: str = "http"
    http_version: str = "1.1"
    server: str = "[::1]:8000"
    client: str = "[2001:db8::7]:50000"


def environ(**request):
    scope = Scope(**request)
    return environ_of(scope, *request_of(scope))


# What Django is told


def test_a_request_reaches_django_as_wsgi_says_it():
    told = environ(
        method="POST",
        path="/straße",
        query_string="q=ä&x=%20",
        headers=Headers(("host", "localhost"), ("content-type", "text/plain"), ("x-request-id", "one")),
    )

    # PEP 3333: text of which each character is a byte.
    assert told["PATH_INFO"].encode("latin-1").decode() == "/straße"
    assert told["QUERY_STRING"].encode("latin-1").decode() == "q=ä&x=%20"
    assert (told["REQUEST_METHOD"], told["SERVER_PROTOCOL"], told["wsgi.url_scheme"]) == ("POST", "HTTP/1.1", "http")
    assert (told["REMOTE_ADDR"], told["SERVER_NAME"], told["SERVER_PORT"]) == ("2001:db8::7", "[::1]", "8000")
    assert (told["CONTENT_TYPE"], told["HTTP_HOST"], told["HTTP_X_REQUEST_ID"]) == ("text/plain", "localhost", "one")


def test_no_variable_of_the_process_reaches_a_request(monkeypatch):
    monkeypatch.setenv("API_KEY", "of the operator")

    assert not set(environ()) & set(os.environ)


def test_a_header_that_came_twice_is_joined():
    told = environ(headers=Headers(("accept", "a"), ("cookie", "b=1"), ("accept", "c"), ("cookie", "d=2")))

    assert (told["HTTP_ACCEPT"], told["HTTP_COOKIE"]) == ("a,c", "b=1; d=2")


@pytest.mark.parametrize("others", [[], [("accept", "a"), ("accept", "b")]])
def test_a_header_of_other_bytes_is_not_taken_for_none(others):
    told = environ(headers=Headers(*others, ("x-api-key", NO_TEXT)))

    assert told["HTTP_X_API_KEY"] == "\xff"


def test_a_header_with_an_underscore_is_not_taken_for_one_without():
    assert not [name for name in environ(headers=Headers(("x_api_key", "secret"))) if name.startswith("HTTP_")]


def test_the_names_of_headers_do_not_fill_the_memory():
    for number in range(5000):
        assert environ(headers=Headers((f"x-{number}", "1")))[f"HTTP_X_{number}"] == "1"

    assert len(VARIABLES) <= 1000


# What is answered on the loop


@pytest.mark.parametrize(
    "quick",
    [
        {},
        {"method": "HEAD"},
        {"path": f"{NOTES}/01a20f97-edd5-7138-ad94-f6c87335a827"},
        {"path": "/api/v1/changes", "query_string": "since=41&epoch=x&limit=5"},
        {"query_string": "cursor=abc&fields=id&omit=body"},
        {"headers": Headers(("x-api-key", "secret"), ("accept", "application/json"))},
    ],
)
def test_lists_notes_and_the_feed_are_answered_on_the_loop(quick):
    assert is_quick(*request_of(Scope(**quick)))


@pytest.mark.parametrize(
    "slow",
    [
        {"method": "POST"},
        {"path": f"{NOTES}/x/revisions"},
        {"path": "/admin/"},
        {"path": "/api/v1/tags"},
        {"path": f"{NOTES}\n"},
        {"path": f"{NOTES}/export"},
        {"query_string": "q=word"},
        {"query_string": "limit=1&q=word"},
        {"query_string": "%71=word"},
        {"query_string": "limit=1;q=word&updated_since=2026"},
        {"query_string": "limit"},
        {"headers": Headers(("cookie", "sessionid=x"))},
        {"headers": Headers(("accept", "text/html"))},
    ],
)
def test_what_may_take_long_is_not(slow):
    assert not is_quick(*request_of(Scope(**slow)))


# On a real server


@pytest.fixture(scope="module")
def wire(django_db_setup):
    with serving() as server:
        yield Wire(urlsplit(server.url).port, decodes_chunks=True)
        log = server.log
    assert "Traceback" not in log, log


def send(wire, *headers, method="GET", path=f"{NOTES}?limit=1", http="1.1"):
    head = [f"{method} {path} HTTP/{http}", "Host: localhost", *headers, "", ""]
    with wire.connect() as client:
        client.sendall("\r\n".join(head).encode("latin-1"))
        return Answer(client, method=method)


@pytest.mark.parametrize("path", [f"{NOTES}?limit=1", f"{NOTES}?q=word"])
@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"X-API-Key: {OPERATOR_KEY}", 200),
        (f"X_API_Key: {OPERATOR_KEY}", 200),
        ("X-API-Key: \xe9", 401),
        (f"X-API-Key: {OPERATOR_KEY}\r\nX-API-Key: {OPERATOR_KEY}", 401),
        ("Content-Type: text/plain; charset=latin-1", 415),
    ],
)
def test_loop_and_thread_read_headers_alike(transactional_db, notebook, wire, path, header, status):
    assert send(wire, header, path=path).status == status


def test_a_key_under_another_name_is_none(transactional_db, notebook, wire):
    answer = send(wire, f"X_API_Key: {OPERATOR_KEY}", path="/api/v1/keys")

    assert answer.status == 401


@pytest.mark.parametrize("path", [f"{NOTES}?limit=1", f"{NOTES}?q=word", "/static/admin/css/base.css"])
def test_a_head_tells_the_length_of_the_get(transactional_db, notebook, wire, path):
    head, get = send(wire, method="HEAD", path=path), send(wire, path=path)

    assert (head.status, get.status) == (200, 200)
    assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.content))


def test_a_304_has_no_length(transactional_db, notebook, wire):
    etag = send(wire).headers["etag"]

    answer = send(wire, f"If-None-Match: {etag}")

    assert answer.status == 304
    assert "content-length" not in answer.headers


def test_http_1_0_is_answered_too(transactional_db, notebook, wire):
    assert send(wire, http="1.0").status == 200


def test_an_export_is_read_from_a_file_by_the_server(transactional_db, notebook, note, wire):
    key, path = f"X-API-Key: {OPERATOR_KEY}", "/api/v1/export"

    head, get = send(wire, key, method="HEAD", path=path), send(wire, key, path=path)

    assert (head.status, get.status) == (200, 200)
    assert get.content == b"".join(transfer.lines(notebook))
    assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.content))
    assert get.headers["content-type"] == "application/x-ndjson"
