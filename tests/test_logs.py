"""Log lines: those for programs, and what no line may do: show a secret, be forged, or ban somebody who did nothing."""

import json
import logging
import re

import pytest
from django.conf import settings as project_settings
from rest_framework.test import APIClient

from notes import keys
from notes.logs import JSONFormatter
from notesproject.environment import BASE_DIR
from tests.keys import OPERATOR_KEY
from tests.people import client_with_key, make_key
from tests.server import serving
from tests.wire import Connection

NOTES = "/api/v1/notes"
DOCUMENTED = re.search(r"^failregex = (.*?)^```", (BASE_DIR / "docs/operation.md").read_text(), re.M | re.S)[1]
# What fail2ban makes of its <ADDR>, nearly.
FAILREGEXES = [line.strip().replace("<ADDR>", r"(?P<host>[\d.]+|[\da-fA-F:]+)") for line in DOCUMENTED.splitlines()]


@pytest.fixture
def log_objects(log_lines):
    """The lines that the service writes with NOTES_LOG_FORMAT=json."""
    handler = next(handler for handler in logging.getLogger().handlers if handler.get_name() == "stderr")
    before, config = handler.formatter, dict(project_settings.LOGGING["formatters"]["json"])
    assert config.pop("()") == f"notes.logs.{JSONFormatter.__name__}"
    handler.setFormatter(JSONFormatter(**config))
    yield lambda: [json.loads(line) for line in log_lines.getvalue().splitlines()]
    handler.setFormatter(before)


def banned(log_lines):
    """Return the addresses that fail2ban bans for these lines. It takes the time away, unless the journal told it."""
    time = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d([.,]\d+)?"
    lines = log_lines.getvalue().splitlines()
    in_file, in_journal = (
        [found["host"] for line in read for regex in FAILREGEXES if (found := re.search(regex, line))]
        for read in ([re.sub(time, "", line, count=1) for line in lines], [f" box notes[12]: {line}" for line in lines])
    )
    assert in_file == in_journal
    return in_file


# For programs


def test_a_request_is_an_object(notebook, note, settings, log_objects):
    settings.NOTES_SLOW_MS = 0
    key, text = make_key(notebook)

    client_with_key(text).get(f"{NOTES}/{note.uuid}", headers={"X-Request-ID": "find-me"})

    [line] = log_objects()
    assert line.pop("milliseconds") > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line.pop("message").startswith("GET ")
    assert line == {
        "level": "INFO",
        "logger": "notes.requests",
        "request_id": "find-me",
        "method": "GET",
        "path": f"{NOTES}/{note.uuid}",
        "route": f"{NOTES}/{{id}}",
        "status": 200,
        "notebook": "default",
        "address": "127.0.0.1",
        "writer": f"key:{key.pk}",
    }


@pytest.mark.parametrize(
    ("method", "path", "shown"),
    [
        ("GET", "/", ("GET", "/", "-")),
        ("GET", "/api/v1/nope/1", ("GET", "/api{var}", "-")),
        ("POST", f"{NOTES}/", ("POST", NOTES, "-")),
        ("BREW", f"{NOTES}/1", ("OTHER", f"{NOTES}/{{id}}", "-")),
        ("GET", "/admin/notes/note/3/change/", ("GET", "/admin/notes/note/{object_id}/change", "-")),
    ],
)
def test_a_route_is_a_pattern_and_a_method_is_a_known_one(stranger, settings, log_objects, method, path, shown):
    settings.NOTES_PUBLIC_READS = False

    stranger.generic(method, path)

    line = log_objects()[-1]
    assert (line["method"], line["route"], line["notebook"]) == shown


def test_an_event_is_an_object(operator, log_objects):
    made = operator.post("/api/v1/keys", {"name": "phone", "level": "read"}).json()
    client_with_key("notes_typo").get(NOTES)

    events = [line for line in log_objects() if line["logger"] == "notes.security"]
    names = "level", "event", "address", "writer", "key"
    assert [tuple(line[name] for name in names) for line in events] == [
        ("INFO", "key_made", "127.0.0.1", "operator", f"key:{made['id']}"),
        ("WARNING", "malformed_key", "127.0.0.1", "-", None),
    ]


@pytest.mark.prove
@pytest.mark.once
def test_every_line_of_a_server_is_an_object_that_of_an_answer_given_again_too(transactional_db, notebook):
    with serving("--processes", "1", NOTES_LOG_FORMAT="json") as server, Connection(server.url) as client:
        for _ in range(4):
            assert client.send("GET", NOTES).status == 200
        # Before the first of them come the complaints of Django's checks.
        lines = [json.loads(line) for line in server.log[server.log.index("{") :].splitlines()]

    asked = [line for line in lines if line.get("route") == NOTES]
    assert {(line["status"], line["notebook"], line["writer"]) for line in asked} == {(200, "default", "operator")}
    assert len(asked) == 4


# Slow requests, and levels


@pytest.mark.parametrize(("threshold", "level"), [(0, "INFO"), (1, "WARNING"), (60_000, "INFO")])
def test_a_slow_request_is_a_warning(stranger, settings, log_objects, threshold, level):
    settings.NOTES_SLOW_MS = threshold

    # A page with the documentation of all errors takes longer than a millisecond.
    stranger.get("/api/docs", headers={"Accept": "text/html"})

    assert log_objects()[-1]["level"] == level


def test_keys_and_logins_are_told_at_any_level():
    root, security = logging.getLogger(), logging.getLogger("notes.security")
    before = root.level
    root.setLevel("ERROR")
    try:
        assert security.isEnabledFor(logging.INFO)
    finally:
        root.setLevel(before)


# Secrets


def places(secret):
    """Yield a request with the secret in each place that a client may take for the right one."""
    for path in (f"{NOTES}/{secret}", f"/{secret}", f"/api/v1/keys/{secret}/x", f"{NOTES}?key={secret}"):
        yield path, {}
    for header in ("X-API-Key", "X-Request-ID", "Host", "Cookie", "User-Agent", "Referer", "If-Match", "Accept"):
        yield NOTES, {header: secret}
    yield "/admin/notes/note/", {"Authorization": f"Bearer {secret}", "X-Forwarded-For": secret}


@pytest.mark.parametrize("line_format", ["text", "json"])
@pytest.mark.parametrize("kind", ["operator", "known", "unknown", "cut", "SECRET_KEY"])
def test_a_secret_is_in_no_line_wherever_it_was_sent(notebook, log_lines, request, line_format, kind):
    if line_format == "json":
        request.getfixturevalue("log_objects")
    secret = {
        "operator": OPERATOR_KEY,
        "known": make_key(notebook)[1],
        "unknown": keys.generate(),
        "cut": keys.generate()[:-9],
        "SECRET_KEY": project_settings.SECRET_KEY,
    }[kind]
    client = APIClient(raise_request_exception=False)

    for path, headers in places(secret):
        response = client.get(path, headers=headers)
        assert headers.get("X-Request-ID") != response["X-Request-ID"]
        client.post(path, {"title": secret, secret: secret}, headers=headers)
    logging.getLogger("notes").error("An error that tells of %s", {"it": secret}, exc_info=ValueError(secret))

    assert len(log_lines.getvalue().splitlines()) > 20
    assert secret not in log_lines.getvalue()


def test_a_secret_with_quotes_is_found_in_text_and_in_json(log_objects, log_lines):
    handler = next(handler for handler in logging.getLogger().handlers if handler.get_name() == "stderr")
    secret = 'it\'s "quoted" \\ and long'
    before, handler.secrets = handler.secrets, type(handler)([secret]).secrets
    try:
        logging.getLogger("notes").warning("%r and %s", secret, secret)
    finally:
        handler.secrets = before

    assert log_objects()[0]["message"].count("***") == 2


# Strangers' text


FORGED = "2026-01-01 00:00:00,000 WARNING notes.security [1] wrong_key from 6.6.6.6 by -"
FORGED_OBJECT = (
    '{"time": "2026-01-01T00:00:00.000Z", "level": "WARNING", "logger": "notes.security", "request_id": "1", '
    '"message": "wrong_key from 6.6.6.6 by -"}'
)


@pytest.mark.parametrize("line_format", ["text", "json"])
@pytest.mark.parametrize("forged", [FORGED, FORGED[24:], FORGED_OBJECT, FORGED_OBJECT.replace('"', '\\"')])
def test_nobody_can_forge_a_line_nor_have_somebody_banned(stranger, log_lines, request, line_format, forged):
    if line_format == "json":
        request.getfixturevalue("log_objects")
    for end in ("", "\n", "\r", "\x85", "\u2028", "\x1b[2K\r", "\0", " "):
        text = f"{end}{forged}"
        stranger.get(f"/api/v1/notes/{text}")
        stranger.get(NOTES, headers={"X-Request-ID": text, "Host": text, "X-Forwarded-For": text, "User-Agent": text})
        logging.getLogger("notes").error("An error: %s", text, exc_info=ValueError(text))

    written = log_lines.getvalue()
    assert banned(log_lines) == []
    assert [char for char in written if not char.isprintable() and char != "\n"] == []
    assert {line[0] for line in written.split("\n") if line} <= set("2{|")
    assert not re.search("^2026-01-01", written, re.M)


@pytest.mark.parametrize("line_format", ["text", "json"])
def test_fail2ban_finds_who_guesses_keys_and_passwords(stranger, notebook, log_lines, request, line_format, settings):
    if line_format == "json":
        request.getfixturevalue("log_objects")
    for text in ("notes_typo", keys.generate()):
        client_with_key(text).get(NOTES, REMOTE_ADDR="203.0.113.5")
    stranger.post("/login/", {"username": "ada", "password": "wrong"}, format="multipart", REMOTE_ADDR="2001:db8::7")
    # These did nothing wrong, or had a good key once.
    stranger.get(f"{NOTES}/nothing")
    client_with_key(make_key(notebook)[1]).get(NOTES)

    assert banned(log_lines) == ["203.0.113.5", "203.0.113.5", "2001:db8::7"]
