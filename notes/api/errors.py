"""The one error body: application/problem+json (RFC 9457), for whatever goes wrong under /api/."""

import logging
import sys
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from rest_framework import exceptions
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response

from notes import databases
from notes.api import audit
from notes.api.problems import (
    BrokenRequest,
    DatabaseFull,
    DatabaseUnavailable,
    Forbidden,
    NotFound,
    NothingHere,
    Overloaded,
    PreconditionFailed,
    Problem,
    RequestTooLarge,
    ServerError,
)
from notes.api.renderers import JSONRenderer
from notes.content import NotAllowed

logger = logging.getLogger("notes.errors")

MEDIA_TYPE = "application/problem+json"

RETRY_AFTER_SECONDS = 5

# A body of two megabytes can be wrong in a million places; nobody reads that many.
MAX_ERRORS = 100


def problem(request: Request, error: exceptions.APIException) -> dict[str, Any]:
    """Return the error body of an APIException as a dict.

    A 400 always has `errors`, a list of {"field", "code", "detail"}.
    """
    errors = None
    if isinstance(error, exceptions.ValidationError):
        errors = flat_errors(error.get_full_details())
        detail, code = summary(errors), "invalid"
    else:
        detail, code = str(error.detail), error.get_codes()
    body = {
        "type": "about:blank",
        "title": HTTPStatus(error.status_code).phrase,
        "status": error.status_code,
        "detail": detail,
        "code": code,
        "request_id": request.id,
    }
    if error.status_code == 400:
        body["errors"] = (errors or [{"field": "", "code": code, "detail": detail}])[:MAX_ERRORS]
    return {**body, **error.members} if isinstance(error, Problem) else body


def headers_of(error: exceptions.APIException) -> dict[str, Any]:
    """Return the headers of an answer with this error."""
    headers = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header
    if getattr(error, "wait", None):
        headers["Retry-After"] = f"{error.wait:.0f}"
    if isinstance(error, (DatabaseUnavailable, Overloaded)):
        headers["Retry-After"] = RETRY_AFTER_SECONDS
    # A batch has no ETag, as it has no state of its own.
    if isinstance(error, PreconditionFailed) and "operation" not in error.members:
        headers["ETag"] = error.etag
    return headers


def problem_response(request: Request, error: exceptions.APIException) -> JsonResponse:
    """Return the error as a plain Django response, for what fails outside DRF."""
    body, headers = problem(request, error), headers_of(error)
    return JsonResponse(body, status=error.status_code, headers=headers, content_type=MEDIA_TYPE)


def exception_handler(exception: Exception, context: dict[str, Any]) -> Response:
    """Answer any exception of an API view with the one error body. Log an unexpected one with its traceback."""
    request = context["request"]
    error = api_error(request, exception)
    if isinstance(error, (exceptions.AuthenticationFailed, exceptions.Throttled)):
        audit.log_refusal(error.get_codes(), request, by=getattr(error, "writer_id", None))
    body = problem(request, error)
    response = Response(body, status=error.status_code, headers=headers_of(error))
    # The browsable API shows the error on its page. Everybody else gets JSON, whatever they accept.
    renderer = getattr(request, "accepted_renderer", None)
    if renderer is None or renderer.format != "api":
        request.accepted_renderer, request.accepted_media_type = JSONRenderer(), MEDIA_TYPE
        response.content_type = MEDIA_TYPE
    return response


def api_error(request: Request, error: Exception) -> exceptions.APIException:
    """Return an APIException that says no more of the error than a client may know."""
    if isinstance(error, exceptions.APIException):
        return error
    if isinstance(error, Http404):
        return NotFound()
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(error, RequestDataTooBig):
        return RequestTooLarge()
    if isinstance(error, NotAllowed):
        return exceptions.ValidationError({error.field: [exceptions.ErrorDetail(error.detail, error.code)]})
    return unexpected(request, error)


def unexpected(request: Request, error: BaseException | None) -> Problem:
    """Log the exception under the request's id. Return a Problem that says no more than a client may know."""
    # Under load there are many TooManyWriters, and their cause is known: they need no traceback.
    is_known = isinstance(error, databases.TooManyWriters)
    logger.error("%s", type(error).__name__, exc_info=None if is_known else error)
    if databases.is_full_disk(error):
        return DatabaseFull(f"The disk of the database is full. {what_to_do(request)}")
    if databases.is_fault(error):
        return DatabaseUnavailable(f"The database does not answer just now. {what_to_do(request)}")
    return ServerError()


def what_to_do(request: Request) -> str:
    if request.method in SAFE_METHODS:
        return "Try again."
    if not is_api(request):
        return "Look whether your change was stored before you try again."
    if databases.commit_began.get():
        return "It is not known whether it was stored; send it again with the same Idempotency-Key."
    return "Nothing was stored; try again."


def flat_errors(details: Any, field: str = "") -> list[dict[str, str]]:
    """Return DRF's nested error details as a flat list, children as `tags.3`."""
    # A leaf. Fields named "message" and "code" would hold lists here, not text.
    if isinstance(details, dict) and set(details) == {"message", "code"} and isinstance(details["message"], str):
        return [{"field": field, "code": details["code"], "detail": str(details["message"])}]
    if isinstance(details, dict):
        pairs = ((name if name != "non_field_errors" else "", child) for name, child in details.items())
    else:
        pairs = (("", child) for child in details)
    return [
        error
        for name, child in pairs
        for error in flat_errors(child, ".".join(part for part in (field, str(name)) if part))
    ]


def summary(errors: list[dict[str, str]]) -> str:
    shown = [f"{error['field']}: {error['detail']}" if error["field"] else error["detail"] for error in errors[:3]]
    more = len(errors) - len(shown)
    return " ".join(shown) + (f" (and {more} more)" if more else "")


def page(status_code: int, detail: str = "") -> HttpResponse:
    """Return a page for people, made without the request: reading a broken form a second time would fail again."""
    context = {"phrase": HTTPStatus(status_code).phrase, "detail": detail}
    return HttpResponse(render_to_string("notes/error.html", context), status=status_code)


def is_api(request: Request) -> bool:
    return request.path.startswith("/api/")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400: a hostile Host header, too many form fields, and the like."""
    if isinstance(exception, RequestDataTooBig):
        return problem_response(request, RequestTooLarge())
    if is_api(request):
        return problem_response(request, BrokenRequest())
    return page(400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_response(request, Forbidden()) if is_api(request) else page(403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's CSRF_FAILURE_VIEW: forms of the admin and the login page."""
    return page(403, "Your session has ended or cookies are blocked. Go back, reload the page, try again.")


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_response(request, NothingHere()) if is_api(request) else page(404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500, called while the exception is being handled."""
    error = unexpected(request, sys.exc_info()[1])
    if is_api(request) or isinstance(error, DatabaseUnavailable):
        return problem_response(request, error)
    return page(500)
