"""A body arrives whole or is refused, even if the request is cut short, chunked or too large. Real servers prove it."""

import io
import json
import socket
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from notes.api.bodies import ExactBody
from notes.models import Note
from tests.keys import OPERATOR_KEY
from tests.server import serving, serving_for_development
from tests.wire import Connection

pytestmark = pytest.mark.once

NOTES = "/api/v1/notes"
MAX_BYTES = 2_500_000
TIMEOUT_SECONDS = 20
NOTE = b'{"title": "Whole"}'
JSON = "Content-Type: application/json"
CHUNKED = "Transfer-Encoding: chunked"


@dataclass(frozen=True)
class Wire:
    """A server to which the test speaks byte by byte."""

    port: int
    decodes_chunks: bool

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT_SECONDS)

    def send(self, request, *, half_close=False):
        with self.connect() as client:
            client.sendall(request)
            if half_close:
                client.shutdown(socket.SHUT_WR)
            return Answer(client)


class Answer:
    """One response, read to its Content-Length; `continued` tells whether 100 Continue came before it."""

    def __init__(self, client, *, method="POST"):
        with client.makefile("rb") as reader:
            self.read_head(reader)
            self.continued = self.status == 100
            if self.continued:
                self.read_head(reader)
            self.content = b"" if method == "HEAD" else reader.read(int(self.headers.get("content-length", 0)))

    def read_head(self, reader):
        status_line = reader.readline()
        assert status_line, "The server closed the connection without an answer."
        self.status = int(status_line.split()[1])
        self.headers = {}
        while (line := reader.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            self.headers[name.strip().lower()] = value.strip()


@pytest.fixture(scope="module", params=["serve", "runserver"])
def wire(request, django_db_setup):
    start = {"serve": serving, "runserver": serving_for_development}[request.param]
    with start() as server:
        yield Wire(urlsplit(server.url).port, decodes_chunks=request.param == "serve")
        log = server.log
    assert "Traceback" not in log, log


@pytest.fixture
def stored(transactional_db, notebook):
    """Return the titles of all notes."""
    return lambda: list(Note.objects.values_list("title", flat=True))


def post(*headers, body=b"", path=NOTES, method="POST"):
    head = [f"{method} {path} HTTP/1.1", "Host: localhost", f"X-API-Key: {OPERATOR_KEY}", *headers, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def chunks(*pieces, end=b"0\r\n\r\n"):
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + end


def assert_refused(answer, status):
    """It is the service's own answer in the one error shape, not the server's."""
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    problem = json.loads(answer.content)
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["x-request-id"]


# Whole


def test_a_body_of_the_announced_length_is_stored(wire, stored):
    answer = wire.send(post(JSON, f"Content-Length: {len(NOTE)}", body=NOTE))

    assert answer.status == 201
    assert stored() == ["Whole"]


def test_a_body_of_exactly_the_limit_is_read(wire, stored):
    answer = wire.send(post(JSON, f"Content-Length: {MAX_BYTES}", body=NOTE.ljust(MAX_BYTES)))

    assert answer.status == 201
    assert stored() == ["Whole"]


def test_requests_in_one_packet_keep_their_own_bodies(wire, stored):
    first, second = b'{"title": "First"}', b'{"title": "Second"}'
    requests = post(JSON, f"Content-Length: {len(first)}", body=first)
    requests += post(JSON, f"Content-Length: {len(second)}", "Connection: close", body=second)

    with wire.connect() as client:
        client.sendall(requests)
        client.makefile("rb").read()

    assert sorted(stored()) == ["First", "Second"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_body_that_no_view_reads_does_not_become_the_next_request(wire, stored, method):
    hidden = post(JSON, f"Content-Length: {len(NOTE)}", body=NOTE)

    with wire.connect() as client:
        client.sendall(post(f"Content-Length: {len(hidden)}", body=hidden, method=method))
        assert Answer(client, method=method).status == 200
        client.sendall(post("Content-Length: 0", method="GET", path="/healthz"))
        assert Answer(client).content == b'{"status": "ok"}'

    assert stored() == []


def test_a_post_without_any_length_has_no_body(wire, stored):
    answer = wire.send(post(JSON))

    assert_refused(answer, 400)
    assert stored() == []


# Cut short: what has arrived is JSON as it stands, and still no note


def test_a_body_shorter_than_announced_is_400_and_no_note(wire, stored):
    answer = wire.send(post(JSON, f"Content-Length: {len(NOTE) + 1}", body=NOTE), half_close=True)

    assert_refused(answer, 400)
    assert "shorter than it announced" in json.loads(answer.content)["detail"]
    assert stored() == []


def test_a_connection_that_closes_within_the_body_leaves_no_note_and_the_server_well(wire, stored):
    for _ in range(20):
        with wire.connect() as client:
            client.sendall(post(JSON, f"Content-Length: {len(NOTE) + 1}", body=NOTE))

    assert wire.send(post(JSON, f"Content-Length: {len(NOTE)}", body=NOTE)).status == 201
    assert stored() == ["Whole"]


@pytest.mark.parametrize(
    ("sent", "rest"),
    [(b'{"title": "Half"', b""), (b"12", b"9\r\n34"), (b'"text"', b"zz\r\n"), (b"null", b"2\r\n  XX")],
)
def test_a_chunked_body_that_is_cut_short_is_refused_and_no_note(wire, stored, sent, rest):
    answer = wire.send(post(JSON, CHUNKED, body=chunks(sent, end=rest)), half_close=True)

    # A number cut short is still JSON, but no body of this API is a bare number or text.
    assert_refused(answer, 400 if wire.decodes_chunks else 411)
    assert stored() == []


# Chunked


def test_a_chunked_json_body_is_read_where_the_server_undoes_the_chunks(wire, stored):
    answer = wire.send(post(JSON, CHUNKED, body=chunks(NOTE[:7], NOTE[7:])))

    if wire.decodes_chunks:
        assert answer.status == 201
        assert stored() == ["Whole"]
    else:
        assert_refused(answer, 411)
        assert stored() == []


def test_a_chunked_form_is_411(wire, stored):
    form = "Content-Type: application/x-www-form-urlencoded"

    assert_refused(wire.send(post(form, CHUNKED, body=chunks(b"title=Half"))), 411)
    assert stored() == []


def test_a_chunked_body_over_the_limit_is_413(wire, stored):
    answer = wire.send(post(JSON, CHUNKED, body=chunks(NOTE, *[b" " * 500_000] * 6)))

    assert_refused(answer, 413 if wire.decodes_chunks else 411)
    assert stored() == []


def test_a_coding_other_than_chunked_is_400(wire, stored):
    answer = wire.send(post(JSON, "Transfer-Encoding: gzip, chunked", body=chunks(NOTE)))

    assert_refused(answer, 400)
    assert stored() == []


@pytest.mark.parametrize("length_first", [True, False])
def test_a_request_with_two_lengths_is_refused_or_ends_the_connection(wire, stored, length_first):
    both = [f"Content-Length: {len(NOTE)}", CHUNKED]
    with wire.connect() as client:
        client.sendall(post(JSON, *(both if length_first else both[::-1]), body=chunks(NOTE)))
        answer = Answer(client)
        rest = client.recv(1000) if wire.decodes_chunks else b""

    # granian does as RFC 9112, 6.3, allows: it reads the chunks, and takes no other request from this connection.
    if wire.decodes_chunks:
        assert (answer.status, rest) == (201, b"")
    else:
        assert_refused(answer, 400)
        assert stored() == []


# Lengths


@pytest.mark.parametrize("length", ["+18", "18x", "18, 18", "1_8", "9" * 5000])
def test_a_malformed_length_is_400(wire, stored, length):
    answer = wire.send(post(JSON, f"Content-Length: {length}", body=NOTE))

    if wire.decodes_chunks:
        # The server answers itself, before the application sees the request.
        assert (answer.status, answer.content) == (400, b"")
    else:
        assert_refused(answer, 400)
    assert stored() == []


def test_a_body_over_the_limit_is_413_and_the_client_can_read_it(wire, stored):
    body = NOTE.ljust(8 * 1024 * 1024)

    assert_refused(wire.send(post(JSON, f"Content-Length: {len(body)}", body=body)), 413)
    assert stored() == []


def test_a_body_over_the_limit_that_is_not_sent_is_413_at_once(wire):
    started = time.monotonic()

    assert_refused(wire.send(post(JSON, "Content-Length: 9999999")), 413)
    assert time.monotonic() - started < 2


def test_a_connection_goes_on_after_413(wire):
    body = b" " * (MAX_BYTES + 1)

    with wire.connect() as client:
        client.sendall(post(JSON, f"Content-Length: {len(body)}", body=body))
        assert_refused(Answer(client), 413)
        client.sendall(post(method="GET", path="/healthz"))
        assert Answer(client).status == 200


# Expect: 100-continue


def test_a_client_that_waits_for_100_continue_is_told_to_go_on(wire, stored):
    with wire.connect() as client:
        client.sendall(post(JSON, f"Content-Length: {len(NOTE)}", "Expect: 100-continue"))
        assert client.recv(1000).startswith(b"HTTP/1.1 100")
        client.sendall(NOTE)
        assert Answer(client).status == 201

    assert stored() == ["Whole"]


def test_a_client_that_waits_and_announces_too_much_is_413(wire):
    answer = wire.send(post(JSON, "Content-Length: 9999999", "Expect: 100-continue"))

    assert_refused(answer, 413)
    # granian waits for the first read before it asks for the body; runserver asks at once.
    assert answer.continued == (not wire.decodes_chunks)


def test_refused_clients_that_send_no_body_hold_no_thread(wire):
    waiting = [wire.connect() for _ in range(10)]
    for client in waiting:
        client.sendall(post(JSON, "Content-Length: 9999999", "Expect: 100-continue"))
        assert_refused(Answer(client), 413)

    assert wire.send(post(method="GET", path="/healthz")).status == 200
    for client in waiting:
        client.close()


# Without a server: what the wrapper hands to Django


@pytest.fixture
def given():
    """Call the wrapper with an environ; return what the application was given: (body, length, error)."""

    def call(body=b"", **environ):
        seen = {}

        def application(environ, start_response):
            seen.update(environ)
            return io.BytesIO(b"answer")

        wrapped = ExactBody(application, max_bytes=10)
        response = wrapped({"wsgi.input": io.BytesIO(body), **environ}, None)
        list(response)
        response.close()
        return seen["wsgi.input"].read(), seen["CONTENT_LENGTH"], seen.get("notes.refusal")

    return call


@pytest.mark.parametrize("length", ["+5", "-5", " 5", "5x", "1_0", "²", "٥", "9" * 19, "9" * 5000])
def test_django_never_sees_a_malformed_length(given, length):
    assert given(b"hello", CONTENT_LENGTH=length) == (b"", "0", 400)


@pytest.mark.parametrize(
    ("length", "expected"),
    [("", (b"", "0", None)), ("0", (b"", "0", None)), ("005", (b"hello", "5", None)), ("12", (b"", "0", 413))],
)
def test_what_is_announced_is_read_and_no_more(given, length, expected):
    assert given(b"hello world!", CONTENT_LENGTH=length) == expected


@pytest.mark.parametrize(("size", "expected"), [(10, (b"x" * 10, "10", None)), (11, (b"", "0", 413))])
def test_a_chunked_body_is_read_to_the_limit(given, size, expected):
    environ = {
        "HTTP_TRANSFER_ENCODING": "Chunked",
        "CONTENT_TYPE": "Application/JSON; charset=utf-8",
        "wsgi.input_terminated": True,
    }

    assert given(b"x" * size, **environ) == expected


def test_length_and_coding_together_are_400(given):
    environ = {"CONTENT_TYPE": "application/json", "wsgi.input_terminated": True}

    assert given(b"hello", CONTENT_LENGTH="5", HTTP_TRANSFER_ENCODING="chunked", **environ) == (b"", "0", 400)


def test_no_charset_but_utf_8_reaches_the_service(transactional_db, notebook):
    with serving() as server, Connection(server.url) as client:
        answers = [
            client.send("GET", "/api/v1/notes?limit=1", headers={"Content-Type": f"text/plain; charset={charset}"})
            for charset in ("base64", "rot13", "zlib", "utf-16", '"latin-1"')
        ]

    assert {answer.status for answer in answers} == {415}
    assert {answer.json()["code"] for answer in answers} == {"unsupported_media_type"}
