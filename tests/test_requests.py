"""X-Request-ID: one name for a request in its answer, its log lines and the log of writes."""

import logging
import uuid

import pytest
from rest_framework.test import APIClient

from tests.keys import OPERATOR_KEY
from tests.problems import problem_of

NOTES = "/api/v1/notes"


@pytest.mark.parametrize(
    "sane", ["1", "a" * 64, str(uuid.UUID(int=7)), "Root=1-67891233-abcdef012345678912345678", "a/b+c@d"]
)
def test_a_sane_request_id_is_kept(stranger, sane):
    response = stranger.get(NOTES, headers={"X-Request-ID": sane})

    assert response["X-Request-ID"] == sane


@pytest.mark.parametrize(
    "hostile",
    ["", " ", "a b", "a" * 65, "a\nb", "a\r\nSet-Cookie: x=1", "a\n", "é", "a\x00", "<script>", '"', "%0a", "a,b"],
)
def test_a_hostile_request_id_is_replaced(stranger, hostile, log_lines):
    response = stranger.get(NOTES, headers={"X-Request-ID": hostile})

    assert uuid.UUID(response["X-Request-ID"]).version == 7
    assert f"[{response['X-Request-ID']}]" in log_lines.getvalue()
    assert len(log_lines.getvalue().splitlines()) == 1


@pytest.mark.parametrize(
    ("path", "status"),
    [(NOTES, 200), ("/api/v1/nope", 404), ("/", 200), ("/healthz", 200), ("/nope", 404), ("/admin/", 302)],
)
def test_every_answer_and_its_log_line_bear_the_id(stranger, log_lines, path, status):
    response = stranger.get(path, headers={"X-Request-ID": "find-me"})

    assert response.status_code == status
    assert response["X-Request-ID"] == "find-me"
    assert f" INFO notes.requests [find-me] GET {path!r} {status} " in log_lines.getvalue()


def test_an_error_body_bears_the_id(stranger):
    response = stranger.post(NOTES, {"title": "x"}, headers={"X-Request-ID": "find-me"})

    assert problem_of(response, 401)["request_id"] == "find-me"


def test_a_refused_host_has_its_id_and_log_line_too(stranger, log_lines):
    response = stranger.get(NOTES, headers={"X-Request-ID": "find-me", "Host": "evil.example"})

    assert response["X-Request-ID"] == "find-me"
    assert f"[find-me] GET {NOTES!r} 400 " in log_lines.getvalue()


@pytest.mark.parametrize("path", [NOTES, "/", "/admin/", "/healthz", "/nope"])
@pytest.mark.parametrize("host", ["evil.example", "evil example\x1b[2J", "x" * 60_000])
def test_a_refused_host_is_a_400_and_one_short_line(stranger, log_lines, path, host):
    response = stranger.get(path, headers={"Host": host})

    [reason, request] = log_lines.getvalue().splitlines()
    assert response.status_code == 400
    assert "ERROR django.security.DisallowedHost" in reason
    assert len(reason) < 350
    assert "\x1b" not in reason
    assert f"{path!r} 400 " in request


def test_whatever_is_suspicious_is_one_short_line(staff, log_lines):
    tries = [
        staff.get("/admin/notes/notebook/?keys__digest__%0Aforged=1"),
        staff.get("/admin/notes/note/?title__regex=" + "x" * 5000),
        staff.get("/admin/notes/note/?_to_field=a%0Aforged"),
        staff.get("/admin/notes/note/?" + "&a=" * 2000),
    ]

    assert [response.status_code for response in tries] == [400] * 4
    lines = log_lines.getvalue().splitlines()
    assert [" django.security." in line for line in lines] == [True, False] * 4
    assert max(map(len, lines)) < 350


def test_a_form_without_its_token_is_one_line(log_lines, notebook):
    browser = APIClient(enforce_csrf_checks=True)

    browser.post("/login/", {}, headers={"Origin": "https://evil.example/" + "x" * 5000})

    [reason, _] = log_lines.getvalue().splitlines()
    assert " django.security.csrf " in reason
    assert len(reason) < 350


def test_the_log_shows_no_query_no_key_and_no_content(operator, stranger, log_lines):
    operator.get(NOTES, {"limit": 1, "q": "my-diagnosis"})
    stranger.get(NOTES, headers={"X-API-Key": "a-mistyped-key"})
    operator.post(NOTES, {"title": "my-title", "body": "my-body"})
    operator.post(NOTES, {"title": 1, "body": "my-body"})

    written = log_lines.getvalue()

    assert len(written.splitlines()) == 5
    for private in ("my-diagnosis", "limit", OPERATOR_KEY, "a-mistyped-key", "my-title", "my-body", "sessionid"):
        assert private not in written


def test_a_path_with_a_newline_writes_one_log_line(stranger, log_lines):
    stranger.get("/api/a%0A2026-01-01%20INFO%20forged%1b[2J")

    assert len(log_lines.getvalue().splitlines()) == 1
    assert "\x1b" not in log_lines.getvalue()


def test_one_request_leaves_its_id_to_no_other(stranger, log_lines):
    stranger.get(NOTES, headers={"X-Request-ID": "first"})
    logging.getLogger("notes").info("between requests")
    second = stranger.get(NOTES)

    assert "[-] between requests" in log_lines.getvalue()
    assert second["X-Request-ID"] != "first"
