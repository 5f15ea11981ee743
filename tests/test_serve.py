"""Lesson ten: the service as `make serve` runs it, in a copy of the project with a .env of its own."""

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from notes.models import Note
from tests.keys import OPERATOR_KEY
from tests.server import environment_of_a_newcomer, free_port, fresh_copy, make, serving
from tests.wire import Connection

NOTES = "/api/v1/notes"
START_SECONDS = 60
# Granian's kill timeout is the longest that a stop may take. Only a stalled upload makes it take that long.
STOP_SECONDS = 10


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict
    text: str


@dataclass(frozen=True)
class Service:
    folder: Path
    url: str
    process: subprocess.Popen

    @property
    def log(self):
        return (self.folder / "stderr").read_text()

    def ask(self, path, fields=None, **headers):
        """GET the path, or POST the fields with the key that `make` has written to .env."""
        if fields is not None:
            env = (self.folder / ".env").read_text().splitlines()
            key = next(line.partition("=")[2] for line in env if line.startswith("API_KEY="))
            headers |= {"X-API-Key": key, "Content-Type": "application/json"}
        content = None if fields is None else json.dumps(fields).encode()
        request = urllib.request.Request(self.url + path, content, headers)
        try:
            with urllib.request.urlopen(request, timeout=START_SECONDS) as response:
                return Answer(response.status, response.headers, response.read().decode())
        except urllib.error.HTTPError as response:
            with response:
                return Answer(response.status, response.headers, response.read().decode())


@pytest.fixture(scope="module")
def service(tmp_path_factory, django_db_setup):
    """What `make serve` starts in an empty folder: fresh secrets and an empty SQLite file."""
    if connection.vendor != "sqlite":
        pytest.skip("the run on SQLite has tried it")
    folder = tmp_path_factory.mktemp("make-serve") / "project"
    fresh_copy(folder)
    with made("serve", folder) as service:
        yield service


@contextmanager
def made(target, folder):
    """Yield the Service that `make serve` or `make run` starts there."""
    port = free_port()
    with (folder / "stdout").open("w") as stdout, (folder / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            make(target, f"PORT={port}"),
            cwd=folder,
            env=environment_of_a_newcomer(),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
    service = Service(folder, f"http://127.0.0.1:{port}", process)
    try:
        wait_until_ready(service)
        yield service
    finally:
        process.terminate()
        process.wait()


def wait_until_ready(service):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and service.process.poll() is None:
        try:
            assert service.ask("/readyz").status == 200
            return
        except urllib.error.URLError:
            time.sleep(0.05)
    raise RuntimeError(f"`make serve` did not start:\n{service.log}")


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/static/admin/css/base.css", "text/css"),
        ("/static/rest_framework/css/default.css", "text/css"),
        ("/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js", "text/javascript"),
    ],
)
def test_static_files_of_admin_api_and_docs_are_served(service, path, media_type):
    answer = service.ask(path)

    assert answer.status == 200
    assert answer.headers.get_content_type() == media_type


@pytest.mark.parametrize(
    "path", ["/nope", "/api/v1/nope", "/static/nope", "/static/../manage.py", "/static/%2e%2e/.env"]
)
def test_a_404_shows_no_trace_and_no_file(service, path):
    answer = service.ask(path)

    assert answer.status == 404
    assert_shows_nothing(answer, service)


def test_a_500_shows_no_trace_and_its_traceback_is_in_the_log(service):
    (service.folder / "notes/templates/notes/index.html").unlink()

    answer = service.ask("/", **{"X-Request-ID": "the-500"})

    assert answer.status == 500
    assert answer.headers["X-Request-ID"] == "the-500"
    assert_shows_nothing(answer, service)
    assert "ERROR notes.errors [the-500] TemplateDoesNotExist\n| Traceback" in service.log


def assert_shows_nothing(answer, service):
    for sign in ("Traceback", "DEBUG", str(service.folder), "SECRET_KEY", "urlpatterns", "django."):
        assert sign not in answer.text


@pytest.mark.parametrize("path", ["/api/docs", "/admin/login/", "/readyz"])
def test_the_pages_for_people_are_there(service, path):
    assert service.ask(path).status == 200


def test_the_log_has_one_line_for_each_request_under_its_id_on_standard_error(service):
    service.ask("/healthz", **{"X-Request-ID": "find-me"})

    lines = [line for line in service.log.splitlines() if "find-me" in line]
    assert len(lines) == 1
    assert " INFO notes.requests [find-me] GET '/healthz' 200 " in lines[0]
    assert "find-me" not in (service.folder / "stdout").read_text()


def test_a_note_is_kept(service):
    created = service.ask(NOTES, {"title": "First"})

    assert created.status == 201
    assert json.loads(service.ask(f"{NOTES}/{json.loads(created.text)['id']}").text)["title"] == "First"


# On the database of the tests


@pytest.mark.prove
def test_a_database_that_is_gone_is_a_503_until_it_is_back(transactional_db, notebook):
    with serving() as server, Connection(server.url) as client:
        before = [client.send("POST", NOTES, {"title": "Before"}) for _ in range(10)]
        with database_gone():
            read, write = client.send("GET", NOTES), client.send("POST", NOTES, {"title": "Lost"})
            alive, ready = client.send("GET", "/healthz"), client.send("GET", "/readyz")
        after = client.send("POST", NOTES, {"title": "After"})

    assert {answer.status for answer in before} == {201}
    for answer in (read, write):
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()["code"] == "database_unavailable"
    assert (alive.status, ready.status) == (200, 503)
    assert after.status == 201
    assert set(Note.objects.values_list("title", flat=True)) == {"Before", "After"}


@contextmanager
def database_gone():
    connection.close()
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        os.rename(name, f"{name}.moved")
        yield
        os.rename(f"{name}.moved", name)
        return
    with psycopg.connect(host=connection.settings_dict["HOST"], user="postgres", dbname="postgres") as other:
        other.autocommit = True
        other.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        other.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            yield
        finally:
            other.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


@pytest.mark.prove
@pytest.mark.once
def test_a_process_that_is_killed_is_started_again(transactional_db, notebook):
    with serving("--processes", "1") as server:
        (process,) = re.findall(r"Spawning worker-1 with PID: (\d+)", server.log)
        os.kill(int(process), signal.SIGKILL)
        wait_until_ready_again(server)

        with Connection(server.url) as client:
            assert client.send("POST", NOTES, {"title": "After"}).status == 201


def wait_until_ready_again(server):
    deadline = time.monotonic() + START_SECONDS
    while server.log.count("Spawning worker-1") < 2 or not is_alive(server):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_alive(server):
    try:
        urllib.request.urlopen(f"{server.url}/healthz", timeout=STOP_SECONDS).close()
    except OSError:
        return False
    return True


@pytest.mark.prove
@pytest.mark.once
def test_sigterm_lets_a_request_in_flight_end(transactional_db, notebook):
    body = b'{"title": "In flight"}'

    with serving() as server, Connection(server.url) as client:
        client.http.putrequest("POST", NOTES)
        client.http.putheader("X-API-Key", OPERATOR_KEY)
        client.http.putheader("Content-Type", "application/json")
        client.http.putheader("Content-Length", len(body))
        client.http.endheaders(body[:5])
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        client.http.send(body[5:])
        answer = client.http.getresponse()

        assert answer.status == 201
        assert server.process.wait(STOP_SECONDS) == 0


def test_it_does_not_start_in_debug(settings):
    settings.DEBUG = True

    with pytest.raises(CommandError, match="DEBUG=False"):
        call_command("serve", port=free_port())


def test_it_does_not_start_on_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(CommandError, match="taken"):
        call_command("serve", port=other.getsockname()[1])


@pytest.mark.prove
def test_sigterm_ends_the_service_and_its_workers(transactional_db):
    with serving() as server:
        server.process.send_signal(signal.SIGTERM)

        assert server.process.wait(STOP_SECONDS) == 0
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(f"{server.url}/healthz", timeout=STOP_SECONDS)
