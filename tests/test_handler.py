"""A program's request passes by the middleware for browsers, and its answer is the same."""

import pytest

from notesproject.handler import Handler, is_of_program
from tests.keys import OPERATOR_KEY
from tests.wsgi import answer, environ_of

NOTES = "/api/v1/notes"


@pytest.fixture
def handler(transactional_db):
    return Handler()


@pytest.mark.parametrize(
    ("method", "path", "body", "headers"),
    [
        ("GET", NOTES, b"", {}),
        ("GET", f"{NOTES}?q=plan", b"", {"HTTP_ACCEPT": "application/json"}),
        ("GET", NOTES, b"", {"HTTP_ACCEPT": "application/json; indent=2"}),
        ("GET", f"{NOTES}?strange=1", b"", {}),
        ("HEAD", NOTES, b"", {}),
        ("GET", "/api/nothing", b"", {}),
        ("GET", "/api/v1/trash", b"", {}),
        ("GET", "/api/v1/trash", b"", {"HTTP_X_API_KEY": OPERATOR_KEY}),
        ("GET", NOTES, b"", {"HTTP_X_API_KEY": "wrong"}),
        ("GET", NOTES, b"", {"HTTP_HOST": "elsewhere.example"}),
        ("GET", NOTES, b"", {"HTTP_ORIGIN": "https://app.example"}),
        ("OPTIONS", NOTES, b"", {"HTTP_ORIGIN": "https://app.example", "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "POST"}),
        ("POST", NOTES, b"{}", {"HTTP_X_API_KEY": OPERATOR_KEY}),
        ("POST", NOTES, b'{"title": "x"}', {}),
        ("POST", NOTES, b"title=x", {"CONTENT_TYPE": "application/x-www-form-urlencoded"}),
        ("DELETE", f"{NOTES}/nothing", b"", {"HTTP_X_API_KEY": OPERATOR_KEY}),
    ],
)
def test_a_program_gets_the_answer_that_a_browser_would_get(handler, note, method, path, body, headers):
    environ = environ_of(method, path, body, **headers)
    assert is_of_program(environ)

    [answered, expected] = [
        answer(application, environ_of(method, path, body, **headers))
        for application in (handler, handler.for_browsers)
    ]

    assert answered == expected


@pytest.mark.once
@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/admin/", {}),
        ("/", {}),
        (NOTES, {"HTTP_COOKIE": "sessionid=x"}),
        (NOTES, {"HTTP_ACCEPT": "text/html,application/xhtml+xml"}),
    ],
)
def test_a_page_or_a_session_is_for_browsers(path, headers):
    assert not is_of_program(environ_of("GET", path, **headers))
