"""Our own errors, each with its code. The table in codes.py gives the status and the meaning of each code."""

from collections.abc import Callable
from typing import Any, TypeVar

from rest_framework.exceptions import APIException, AuthenticationFailed

from notes.api.codes import CODES

F = TypeVar("F", bound=Callable[..., Any])


class Problem(APIException):
    """One of our own errors. `members` are added to its body (RFC 9457, 3.2)."""

    def __init__(self, detail: str | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.status_code = CODES[self.default_code].status
        self.members = members


def raises(*errors: type[APIException]) -> Callable[[F], F]:
    """Name the errors that a function may raise, besides those of every request. The OpenAPI document shows them."""

    def named(function: F) -> F:
        function.raises = frozenset(errors)  # type: ignore[attr-defined]
        return function

    return named


# The request as a whole


class BrokenRequest(Problem):
    default_code = "bad_request"
    default_detail = "The request is malformed or its Host header is not allowed."


class BrokenBody(BrokenRequest):
    default_detail = (
        "The request's body is shorter than it announced, or its length is not a number. Nothing was stored."
    )


class RequestTimeout(Problem):
    default_code = "request_timeout"
    default_detail = "The request's body did not arrive in time. Nothing was stored."


class LengthRequired(Problem):
    default_code = "length_required"
    default_detail = "Send the length of the body in Content-Length; this server does not read chunked bodies."


class RequestTooLarge(Problem):
    default_code = "request_too_large"
    default_detail = "The request's body is larger than this server takes."


class UnsupportedBody(Problem):
    default_code = "unsupported_media_type"
    default_detail = "The request's body must be UTF-8."


class NothingHere(Problem):
    default_code = "not_found"
    default_detail = "There is nothing at this address. See /api/docs."


# Who asks


class RefusedKey(Problem, AuthenticationFailed):
    """A refused API key. `writer_id` tells the log which key it was, if that is known."""

    def __init__(self, writer_id: str | None = None) -> None:
        super().__init__()
        self.writer_id = writer_id


class MalformedKey(RefusedKey):
    default_code = "malformed_key"
    default_detail = "This is not an API key: look for typos."


class WrongKey(RefusedKey):
    default_code = "wrong_key"
    default_detail = "This API key is not known."


class RevokedKey(RefusedKey):
    default_code = "revoked_key"
    default_detail = "This API key was revoked."


class ExpiredKey(RefusedKey):
    default_code = "expired_key"
    default_detail = "This API key has expired."


class Forbidden(Problem):
    default_code = "permission_denied"
    default_detail = "You may not do this."


class HttpsRequired(Problem):
    default_code = "https_required"
    default_detail = "Send this over https. A key that was sent over plain http may have been read on its way."


# What a request finds


class NotFound(Problem):
    default_code = "not_found"
    default_detail = "Not found."


class IdTaken(Problem):
    default_code = "id_taken"


class MatchCount(Problem):
    default_code = "match_count"


class RenameRunning(Problem):
    default_code = "rename_running"


class PreconditionFailed(Problem):
    """`etag` is that of the member `current`."""

    default_code = "precondition_failed"

    def __init__(self, detail: str, etag: str, **members: Any) -> None:
        super().__init__(detail, **members)
        self.etag = etag


class PreconditionRequired(Problem):
    default_code = "precondition_required"
    default_detail = "Send If-Match with the ETag of the note that you have read."


class KeyUsedForAnotherRequest(Problem):
    default_code = "idempotency_key_reused"
    default_detail = (
        "This Idempotency-Key was sent with another request before, or the server has another SECRET_KEY since. "
        "Choose a new one."
    )


class NoLongerKept(Problem):
    default_code = "no_longer_kept"
    default_detail = "This request was carried out before; what it wrote has been erased since."


class ResyncRequired(Problem):
    default_code = "resync_required"
    default_detail = "The notebook has another history than the one you followed. Start again with since=0."


# The service itself


class ServerError(Problem):
    default_code = "server_error"
    default_detail = "Something went wrong on the server. It has been logged under this request_id."


class DatabaseUnavailable(Problem):
    default_code = "database_unavailable"


class DatabaseFull(DatabaseUnavailable):
    default_code = "database_full"


class Overloaded(Problem):
    default_code = "overloaded"
    default_detail = "Too many requests wait for this server. Nothing was stored; try again."
