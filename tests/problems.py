"""The one error body, read and held to its shape and to the table of codes."""

import json
import re
from functools import cache

import yaml

from notes.api.codes import CODES, FIELD_CODES
from notesproject.environment import BASE_DIR

MEDIA_TYPE = "application/problem+json"


def check_problem(response):
    """Hold an answer to the promises about errors: each code is in the table, each status in the OpenAPI document."""
    if response.get("Content-Type") != MEDIA_TYPE or not response.content:
        return
    body = json.loads(response.content)
    assert (body["code"], body["status"]) in {(name, code.status) for name, code in CODES.items()}, body
    for error in body.get("errors", []):
        is_known = error["code"] in FIELD_CODES or (not error["field"] and error["code"] == body["code"])
        assert is_known, error
    if "format=" in response.request["QUERY_STRING"]:
        # An unknown format is a 404 on every address.
        return
    statuses = statuses_of(response.request["REQUEST_METHOD"].lower(), response.request["PATH_INFO"])
    # Answers given before the request has reached its operation.
    assert statuses is None or str(body["status"]) in statuses or body["code"] in ANYWHERE, body


# A hostile Host, a plain http and the like may meet any request.
ANYWHERE = {"method_not_allowed", "https_required", "bad_request", "length_required", "request_too_large"}
ANYWHERE |= {"unsupported_media_type", "request_timeout", "overloaded"}


def statuses_of(method, path):
    """Return the statuses that the document names for an operation; None if there is no such operation."""
    for pattern, operations in documented_paths():
        if pattern.fullmatch(path):
            return operations.get(method, {}).get("responses")
    return None


@cache
def documented_paths():
    paths = yaml.safe_load((BASE_DIR / "openapi.yaml").read_text())["paths"]
    # The fixed ones first: /tags/rename is no tag.
    ordered = sorted(paths.items(), key=lambda item: item[0].count("{"))
    return [(re.compile(re.sub(r"{\w+}", "[^/]+", path) + "/?"), operations) for path, operations in ordered]


def problem_of(response, status_code):
    """Return the error body as a dict."""
    assert response.status_code == status_code, (response.status_code, response.content[:500])
    assert response["Content-Type"] == MEDIA_TYPE
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
