"""Every error under /api/ has the one error body, and no answer shows how the service is built."""

import json
import re

import pytest
from django.conf import settings as project_settings
from django.db import InterfaceError, InternalError, OperationalError, connection
from django.test import Client
from rest_framework.test import APIClient

from notes.door import Door
from notes.models import Note
from tests.problems import problem_of
from tests.writing import create_note

NOTES = "/api/v1/notes"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]
UNROUTED = [
    "/api/v2/notes",
    "/api/v1/nope",
    "/api/v1/notes/x/y/z/",
    "/api/v1/notes//",
    "/api//v1/notes",
    "/api/%00",
    "/api/%0A",
    "/api/%FF",
    "/api/é",
    "/api/v1/%2e%2e/%2e%2e/etc/passwd",
    "/api/" + "x" * 5000,
]
SECRETS = "secret /srv/notes/notes.sqlite3 SELECT body FROM notes_note"


@pytest.fixture
def browser(staff):
    """A member of staff whose browser is held to CSRF, as real ones are."""
    client = APIClient(enforce_csrf_checks=True, raise_request_exception=False)
    client.cookies = staff.cookies
    return client


def raising(error):
    def verb(*args, **kwargs):
        raise error

    return verb


def leaks(response):
    """Return what an answer shows of code, paths, SQL or settings."""
    text = response.content.decode("utf-8", "replace") + str(response.headers)
    signs = [
        str(project_settings.BASE_DIR),
        project_settings.SECRET_KEY,
        project_settings.API_KEY,
        "Traceback",
        "SELECT ",
        "notes_note",
        ".py",
        "/srv/",
        "OperationalError",
        "RuntimeError",
        "django",
        "DATABASE",
    ]
    return [sign for sign in signs if sign in text]


# Unrouted paths


@pytest.mark.parametrize("path", UNROUTED, ids=lambda path: path[:40])
@pytest.mark.parametrize("method", METHODS)
def test_an_unrouted_path_is_a_404_with_every_method(stranger, operator, method, path):
    for client in (stranger, operator):
        response = client.generic(method, path, "{", content_type="application/json")

        assert problem_of(response, 404)["code"] == "not_found"


@pytest.mark.parametrize("method", METHODS)
def test_an_unrouted_path_is_a_404_for_a_browser_with_a_session_too(browser, method):
    response = browser.generic(method, "/api/v1/nope", "a=1", content_type="application/x-www-form-urlencoded")

    assert problem_of(response, 404)


def test_an_unrouted_path_is_a_404_without_a_body_for_head(operator):
    response = operator.head("/api/v1/nope")

    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"


def test_an_unrouted_path_is_a_404_whatever_it_accepts(operator):
    response = operator.get("/api/v1/nope", headers={"Accept": "image/png"})

    assert response.status_code in {404, 406}
    assert problem_of(response, response.status_code)


@pytest.mark.parametrize("path", ["/nope", "/apix", "/admin/nope/", "/login/nope", "/static/nope", "/nope%0A"])
def test_elsewhere_a_404_shows_nothing(db, path):
    response = Client().get(path)

    assert response.status_code in {404, 302}
    assert leaks(response) == []


# Methods and media types


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", NOTES, {"GET", "POST", "HEAD", "OPTIONS"}),
        ("PUT", NOTES, {"GET", "POST", "HEAD", "OPTIONS"}),
        ("PROPFIND", NOTES, {"GET", "POST", "HEAD", "OPTIONS"}),
        ("POST", f"{NOTES}/{{id}}", {"GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}),
        ("TRACE", f"{NOTES}/{{id}}", {"GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}),
        ("POST", "/api/v1/me", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/api/schema", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/api/docs", {"GET", "HEAD"}),
    ],
)
def test_a_wrong_method_is_a_405_that_names_the_right_ones(operator, note, method, path, allowed):
    response = operator.generic(method, path.format(id=note.uuid), "{}", content_type="application/json")

    assert problem_of(response, 405)["code"] == "method_not_allowed"
    assert {name.strip() for name in response["Allow"].split(",")} == allowed


@pytest.mark.parametrize("accept", ["text/plain", "image/png", "application/xml", "application/json5", "a/b"])
@pytest.mark.parametrize("path", [NOTES, "/api/v1/me", "/api/schema", "/api/docs"])
def test_a_type_in_which_there_is_no_answer_is_a_406(operator, note, path, accept):
    response = operator.get(path, headers={"Accept": accept})

    assert problem_of(response, 406)["code"] == "not_acceptable"


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "/",
        ";",
        ",",
        "*",
        "*/*;q=0",
        "a/b;q=x",
        "application/json;q=é",
        "application/json; indent=99999999",
        "application/json;indent=-1",
        "application/json;version=1",
        "x" * 10000,
        "*/*," * 5000,
        "\x00",
        "�",
    ],
)
def test_no_accept_header_makes_a_server_error(operator, note, accept):
    response = operator.get(NOTES, headers={"Accept": accept})

    assert response.status_code in {200, 406}
    assert len(response.content) < 10_000


def test_a_format_that_does_not_exist_is_an_error_in_the_one_shape(operator, note):
    response = operator.get(NOTES, {"format": "xml"})

    assert response.status_code in {400, 404, 406}
    assert problem_of(response, response.status_code)


# Host, CSRF, broken forms


@pytest.mark.parametrize(
    "host", ["evil.example", "testserver.evil.example", "", "a b", "testserver:x", "[::1", "testserver\x00", "é", "@"]
)
@pytest.mark.parametrize("path", [NOTES, "/api/v1/nope", "/api/schema"])
def test_a_hostile_host_header_is_a_400(stranger, host, path):
    response = stranger.get(path, headers={"Host": host})

    assert problem_of(response, 400)["code"] == "bad_request"
    assert leaks(response) == []


def test_a_hostile_forwarded_host_changes_no_link(operator, notebook, by):
    for number in range(2):
        create_note(notebook, by, title=str(number))

    response = operator.get(NOTES, {"limit": 1}, headers={"X-Forwarded-Host": "evil.example"})

    assert response.json()["next"].startswith("http://testserver/")


def test_a_session_without_csrf_token_is_a_403(browser, notebook):
    response = browser.post(NOTES, {"title": "x"}, headers={"Accept": "application/json"})

    assert problem_of(response, 403)
    assert not Note.objects.exists()


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", "title=x"),
        ("multipart/form-data; boundary=", "title=x"),
        ("multipart/form-data; boundary=é", "title=x"),
        ("multipart/form-data; boundary=" + "b" * 300, "title=x"),
        (
            "multipart/form-data; boundary=b",
            "--b\r\nContent-Disposition: form-data; name=title\r\nContent-Transfer-Encoding: base64\r\n\r\n!\r\n--b--",
        ),
        (
            "multipart/form-data; boundary=b",
            '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' * 1001 + "--b--\r\n",
        ),
        (
            "multipart/form-data; boundary=b",
            '--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nx\r\n' * 101 + "--b--\r\n",
        ),
        ("application/x-www-form-urlencoded", "a=1&" * 1001),
        ("application/x-www-form-urlencoded; charset=base64", "a=1"),
        (
            "multipart/form-data; boundary=b; charset=base64",
            '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--b--\r\n',
        ),
        ("application/x-www-form-urlencoded; charset=unicode_escape", "title=%5Cud800&%5Cud800=x"),
        ("application/x-www-form-urlencoded; charset=idna", "title=x"),
    ],
    ids=lambda value: value[:70],
)
def test_a_broken_form_is_a_4xx_whoever_sends_it(browser, operator, notebook, content_type, body):
    operator.cookies["sessionid"] = "x"
    operator.raise_request_exception = False
    # A stranger makes up the cookie, so that Django goes on to read the form for the other half of the token.
    stranger = Client(enforce_csrf_checks=True, raise_request_exception=False)
    stranger.cookies["csrftoken"] = "a" * 32

    for client, path in ((browser, NOTES), (operator, NOTES), (stranger, "/admin/login/"), (stranger, "/login/")):
        response = client.generic("POST", path, body, content_type=content_type)

        assert 400 <= response.status_code < 500, (path, response.status_code)
        assert leaks(response) == []
        if path == NOTES and response["Content-Type"] != "text/html; charset=utf-8":
            assert problem_of(response, response.status_code)
    assert not Note.objects.exists()


def test_a_form_over_the_limit_is_a_413(staff, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000

    response = staff.post(NOTES, {"title": "x" * 2000}, format="multipart")

    assert problem_of(response, 413)


# Faults of the server


@pytest.mark.parametrize("debug", [False, True])
def test_an_unexpected_exception_is_a_500_without_a_trace_and_its_traceback_is_in_the_log(
    operator, note, settings, monkeypatch, log_lines, debug
):
    settings.DEBUG = debug
    monkeypatch.setattr(Door, "create", raising(RuntimeError(SECRETS)))

    response = operator.post(NOTES, {"title": "x"}, headers={"X-Request-ID": "find-me"})

    assert problem_of(response, 500)["code"] == "server_error"
    assert response.json()["request_id"] == "find-me"
    assert leaks(response) == []
    assert "[find-me] RuntimeError" in log_lines.getvalue()
    assert "Traceback (most recent call last)" in log_lines.getvalue()
    assert SECRETS in log_lines.getvalue()


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_an_unexpected_exception_is_a_500_with_every_method(operator, note, monkeypatch, method):
    monkeypatch.setattr("notes.querysets.NoteQuerySet.with_uuid", raising(RuntimeError(SECRETS)))

    response = getattr(operator, method)(f"{NOTES}/{note.uuid}", {"title": "x"} if method != "get" else None)

    assert problem_of(response, 500)
    assert leaks(response) == []


def test_an_unexpected_exception_outside_rest_framework_is_a_500_without_a_trace(staff, note, monkeypatch, log_lines):
    monkeypatch.setattr("django.contrib.admin.sites.AdminSite.each_context", raising(RuntimeError(SECRETS)))
    staff.raise_request_exception = False

    response = staff.get("/admin/", headers={"X-Request-ID": "find-me"})

    assert response.status_code == 500
    assert leaks(response) == []
    assert "[find-me] RuntimeError" in log_lines.getvalue()


def test_an_exception_while_an_answer_is_rendered_is_a_500_in_the_one_shape(operator, note, monkeypatch, log_lines):
    monkeypatch.setattr("notes.api.renderers.JSONRenderer.render", raising(RuntimeError(SECRETS)))
    operator.raise_request_exception = False

    response = operator.get(NOTES)

    assert problem_of(response, 500)
    assert leaks(response) == []
    assert SECRETS in log_lines.getvalue()


@pytest.mark.parametrize("error", [OperationalError, InterfaceError, InternalError])
def test_a_database_that_does_not_answer_is_a_503_worth_another_try(operator, note, monkeypatch, log_lines, error):
    monkeypatch.setattr(Door, "create", raising(error(SECRETS)))

    response = operator.post(NOTES, {"title": "x"})

    assert problem_of(response, 503)["code"] == "database_unavailable"
    assert int(response["Retry-After"]) > 0
    assert leaks(response) == []
    assert f"{error.__name__}: {SECRETS}" in log_lines.getvalue()


@pytest.mark.parametrize("path", [NOTES, "/api/v1/me", "/admin/", "/admin/notes/note/"])
def test_without_a_database_every_page_is_a_503(staff, note, path):
    staff.raise_request_exception = False

    with connection.execute_wrapper(raising(OperationalError(SECRETS))):
        response = staff.get(path)

    assert problem_of(response, 503)
    assert int(response["Retry-After"]) > 0
    assert leaks(response) == []


# What a person sees


def test_a_person_at_the_browsable_api_sees_the_error_on_its_page(staff, note):
    response = staff.get(f"{NOTES}?colour=<script>", headers={"Accept": "text/html"})

    assert response.status_code == 400
    assert response["Content-Type"].startswith("text/html")
    assert "There is no such query parameter." in response.content.decode()


@pytest.mark.parametrize("path", [f"{NOTES}?<script>alert(1)</script>=1", f"{NOTES}?limit=<script>alert(1)</script>"])
def test_an_error_page_keeps_script_as_text(staff, note, path):
    response = staff.get(path, headers={"Accept": "text/html"})

    assert response.status_code == 400
    assert "<script>alert(1)" not in response.content.decode()


def test_every_refusal_of_a_note_has_a_stable_code_for_each_field(operator, note):
    response = operator.post(NOTES, {"title": "x" * 201, "body": 1, "tags": "x", "colour": "red"})

    body = problem_of(response, 400)
    assert body["code"] == "invalid"
    assert {error["field"]: error["code"] for error in body["errors"]} == {
        "title": "max_length",
        "body": "invalid",
        "tags": "not_a_list",
        "colour": "unknown_field",
    }
    assert re.search(r"\(and \d more\)", body["detail"])


def test_the_article_s_detail_stays_true(operator, notebook):
    response = operator.get(f"{NOTES}/1")

    assert json.loads(response.content)["detail"] == "Note not found."


# Over plain HTTP, where the service is behind HTTPS


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", NOTES),
        ("POST", NOTES),
        ("OPTIONS", NOTES),
        ("GET", "/api/docs"),
        ("GET", "/api/nothing"),
        ("POST", "/admin/login/"),
        ("POST", "/login/"),
    ],
)
def test_what_programs_send_over_plain_http_is_refused_and_not_redirected(operator, settings, method, path):
    settings.SECURE_SSL_REDIRECT = True

    response = operator.generic(method, path, '{"title": "x"}', content_type="application/json")

    assert problem_of(response, 403)["code"] == "https_required"
    assert Note.objects.count() == 0
    assert operator.generic("GET", NOTES, secure=True).status_code == 200


def test_pages_are_redirected_to_https_and_health_is_told_over_http(stranger, settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]

    for path in ("/", "/admin/login/", "/admin/"):
        response = stranger.get(path)
        assert (response.status_code, response["Location"]) == (301, f"https://testserver{path}")
    assert [stranger.get(path).status_code for path in ("/healthz", "/readyz")] == [200, 200]


@pytest.mark.parametrize("coding", ["gzip", "br", "x-unknown", "gzip, identity", "identity, identity"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_body_in_a_coding_is_a_415_that_names_the_one_that_is_taken(operator, note, method, coding):
    url = NOTES if method == "POST" else f"{NOTES}/{note.uuid}"
    headers = {"Content-Encoding": coding}

    response = operator.generic(method, url, '{"title": "x"}', content_type="application/json", headers=headers)

    assert problem_of(response, 415)["code"] == "unsupported_media_type"
    assert response["Accept-Encoding"] == "identity"
    assert [*Note.objects.values_list("title", "revision")] == [("Plan", 1)]


@pytest.mark.parametrize("coding", ["identity", "Identity"])
def test_a_body_that_says_it_is_in_no_coding_is_taken(operator, coding):
    assert operator.post(NOTES, {"title": "x"}, headers={"Content-Encoding": coding}).status_code == 201
