"""The one error body, read and held to its shape."""

import json


def problem_of(response, status_code):
    """Return the error body as a dict."""
    assert response.status_code == status_code, (response.status_code, response.content[:500])
    assert response["Content-Type"] == "application/problem+json"
    body = json.loads(response.content)
    assert body.keys() >= {"type", "title", "status", "detail", "code", "request_id"}, body
    assert body["status"] == status_code
    assert body["request_id"] == response["X-Request-ID"]
    assert all(isinstance(body[name], str) and body[name] for name in ("type", "title", "detail", "code")), body
    assert ("errors" in body) == (status_code == 400), body
    for error in body.get("errors", []):
        assert error.keys() == {"field", "code", "detail"}, error
        assert all(isinstance(text, str) for text in error.values()), error
    return body


def fields_of(response):
    """Return the names that a 400 refuses."""
    return [error["field"] for error in problem_of(response, 400)["errors"]]
