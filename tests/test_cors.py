"""CORS is closed unless origins are named. Then only the API is open to them."""

import pytest
from rest_framework.test import APIClient

from tests.keys import OPERATOR_KEY
from tests.problems import problem_of

pytestmark = pytest.mark.once

NOTES = "/api/v1/notes"
APP = "https://app.example.org"


@pytest.fixture
def app(notebook, settings):
    """A page of an origin that is named in CORS_ALLOWED_ORIGINS."""
    settings.CORS_ALLOWED_ORIGINS = [APP]
    return APIClient(headers={"Origin": APP, "X-API-Key": OPERATOR_KEY})


def preflight(client, path=NOTES, method="POST", headers="content-type,x-api-key"):
    return client.options(
        path, headers={"Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    )


def test_without_origins_no_page_may_read_an_answer(stranger):
    response = stranger.get(NOTES, headers={"Origin": APP})

    assert "Access-Control-Allow-Origin" not in response


def test_without_origins_no_preflight_succeeds(stranger):
    stranger.credentials(HTTP_ORIGIN=APP)

    assert "Access-Control-Allow-Origin" not in preflight(stranger)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_named_origin_may_use_every_method_with_a_key(app, method):
    response = preflight(app, method=method)

    assert response.status_code == 200
    assert response["Access-Control-Allow-Origin"] == APP
    assert method in response["Access-Control-Allow-Methods"]
    assert {"x-api-key", "authorization", "prefer"} <= set(response["Access-Control-Allow-Headers"].split(", "))


def test_a_named_origin_may_read_an_answer_and_its_headers(app):
    response = app.post(NOTES, {"title": "x"})

    assert response.status_code == 201
    assert response["Access-Control-Allow-Origin"] == APP
    assert {"ETag", "Link", "Location", "Preference-Applied", "X-Request-ID"} <= set(
        response["Access-Control-Expose-Headers"].split(", ")
    )
    assert "origin" in response["Vary"].lower()


@pytest.mark.parametrize("origin", ["https://app.example.org.evil.example", "http://app.example.org", "null", "*", ""])
def test_another_origin_may_read_nothing(app, origin):
    response = app.get(NOTES, headers={"Origin": origin})

    assert "Access-Control-Allow-Origin" not in response


def test_no_page_may_use_the_session_of_its_visitor(app):
    assert "Access-Control-Allow-Credentials" not in preflight(app)
    assert "Access-Control-Allow-Credentials" not in app.get(NOTES)


@pytest.mark.parametrize("path", ["/", "/admin/", "/login/", "/healthz", "/static/x", "/apix"])
def test_pages_outside_the_api_stay_closed(app, path):
    assert "Access-Control-Allow-Origin" not in app.get(path)


@pytest.mark.parametrize(
    ("status", "ask"),
    [
        (400, lambda app: app.post(NOTES, {"title": 1})),
        (401, lambda app: app.get(NOTES, headers={"X-API-Key": "wrong"})),
        (404, lambda app: app.get("/api/v1/nope")),
        (405, lambda app: app.delete(NOTES)),
        (411, lambda app: app.post(NOTES, {"title": "x"}, **{"notes.refusal": 411})),
        (413, lambda app: app.post(NOTES, {"title": "x"}, **{"notes.refusal": 413})),
    ],
)
def test_a_page_may_read_why_it_was_refused(app, status, ask):
    response = ask(app)

    assert problem_of(response, status)
    assert response["Access-Control-Allow-Origin"] == APP
