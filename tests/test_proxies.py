"""nginx and Caddy in front, as `deploy/` shows them: slow clients, large bodies, addresses, a service that is down."""

import json
import socket
import subprocess
import threading
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from notes.models import Note
from notesproject.environment import BASE_DIR
from tests.proxies import environment_of_caddy, needs, nginx_conf, proxy
from tests.server import free_port, serving
from tests.test_framing import JSON, MAX_BYTES, NOTE, Answer, post
from tests.test_slow_clients import dribbling
from tests.wire import TIMEOUT_SECONDS, Connection

NOTES = "/api/v1/notes"

pytestmark = pytest.mark.once
PROXIES = [pytest.param("nginx", marks=needs("nginx")), pytest.param("caddy", marks=needs("caddy"))]


@needs("nginx")
def test_nginx_finds_no_fault_in_its_configuration(tmp_path):
    path = nginx_conf(tmp_path, 8080, ["http://127.0.0.1:8000"])

    check = subprocess.run(["nginx", "-t", "-c", path], capture_output=True, text=True, check=False)

    assert check.returncode == 0, check.stderr
    assert "warn" not in check.stderr


@needs("caddy")
def test_caddy_finds_no_fault_in_its_configuration(tmp_path):
    command = ["caddy", "validate", "--adapter", "caddyfile", "--config", BASE_DIR / "deploy/Caddyfile"]

    check = subprocess.run(command, env=environment_of_caddy(tmp_path), capture_output=True, text=True, check=False)

    assert check.returncode == 0, check.stderr


@pytest.mark.prove
@pytest.mark.parametrize("program", PROXIES)
def test_a_service_that_is_down_is_a_503_of_the_one_shape(program, tmp_path):
    with proxy(program, tmp_path, f"http://127.0.0.1:{free_port()}") as url, Connection(url) as client:
        answer = client.send("POST", NOTES, {"title": "Lost"})

    assert assert_problem(answer, 503, "unavailable")["retry-after"] == "5"


def assert_problem(answer, status, code):
    """Assert that it has the one shape. Return its headers by their names in lower case."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    assert (answer.status, headers["content-type"]) == (status, "application/problem+json")
    problem = json.loads(answer.content)
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["request_id"] == headers["x-request-id"]
    return headers


@pytest.mark.prove
@pytest.mark.parametrize("program", PROXIES)
@pytest.mark.django_db(transaction=True)
def test_a_body_of_the_limit_passes_and_a_larger_one_is_refused(program, tmp_path, notebook):
    with serving() as server, proxy(program, tmp_path, server.url) as url:
        whole, refused = (sent(url, b" " * (size - len(NOTE)) + NOTE) for size in (MAX_BYTES, MAX_BYTES + 1))

    assert whole.status == 201
    assert_problem(refused, 413, "request_too_large")
    assert Note.objects.count() == 1


@pytest.mark.parametrize("program", PROXIES)
def test_a_body_that_says_it_is_too_large_does_not_reach_the_service(program, tmp_path):
    """The service would refuse it while it comes, and the proxy might see the closed connection before the answer."""
    with proxy(program, tmp_path, f"http://127.0.0.1:{free_port()}") as url:
        refused = sent(url, b" " * (MAX_BYTES + 1))

    assert_problem(refused, 413, "request_too_large")


def sent(url, body):
    with connected(url, post(JSON, f"Content-Length: {len(body)}")) as client:
        # Whoever is refused early may have sent only a part.
        threading.Thread(target=send_all, args=(client, body), daemon=True).start()
        return Answer(client)


def send_all(client, body):
    try:
        client.sendall(body)
    except OSError:
        return


def connected(url, sent=b""):
    client = socket.create_connection(("127.0.0.1", urlsplit(url).port), timeout=TIMEOUT_SECONDS)
    client.sendall(sent)
    return client


@pytest.mark.prove
@pytest.mark.parametrize("program", PROXIES)
@pytest.mark.django_db(transaction=True)
def test_rates_count_the_address_that_the_proxy_saw(program, tmp_path, notebook):
    environment = {"NOTES_PROXIES": "1", "NOTES_RATE_FAILURES": "3/hour"}
    with serving(**environment) as server, proxy(program, tmp_path, server.url) as url, Connection(url) as client:
        answers = [
            client.send("GET", NOTES, headers={"X-API-Key": "wrong" * 8, "X-Forwarded-For": f"192.0.2.{number}"})
            for number in range(5)
        ]
        log = server.log

    assert [answer.status for answer in answers] == [401, 401, 401, 429, 429]
    assert "_key from 127.0.0.1 by -" in log


@pytest.mark.prove
@pytest.mark.parametrize("program", PROXIES)
@pytest.mark.django_db(transaction=True)
def test_slow_clients_keep_nobody_waiting(program, tmp_path, notebook):
    upload = post(JSON, "Content-Length: 100000", body=b"{")
    with serving() as server, proxy(program, tmp_path, server.url) as url, ExitStack() as clients:
        with Connection(url) as writer:
            for number in range(20):
                assert writer.send("POST", NOTES, {"title": str(number), "body": "x" * 90_000}).status == 201
        # These read nothing of an answer that is larger than what the sockets hold.
        for _ in range(50):
            clients.enter_context(connected(url, post(path=f"{NOTES}?limit=50", method="GET")))
        slow = [clients.enter_context(connected(url, upload)) for _ in range(200)]
        for _ in range(100):
            clients.enter_context(connected(url, b"GET / HTTP/1.1\r\nHost: loc"))
        with dribbling(slow, seconds=0.2), Connection(url) as reader:
            started = time.monotonic()
            seconds = [reader_seconds(reader) for _ in range(20)]
            written = reader.send("POST", NOTES, {"title": "Quick"})
            total = time.monotonic() - started

    assert sorted(seconds)[10] < 0.25
    assert written.status == 201
    assert total < TIMEOUT_SECONDS


def reader_seconds(reader):
    started = time.monotonic()
    assert reader.get(f"{NOTES}?limit=1").status == 200
    return time.monotonic() - started
