"""What happens to every request: its id and log line, a look at the database's file, the refusal of a broken body."""

import logging
import re
import time

import uuid_utils.compat
from django.conf import settings
from rest_framework.permissions import SAFE_METHODS

from notes import databases, request_id
from notes.api import audit
from notes.api.errors import is_api, problem_response
from notes.api.problems import HttpsRequired

logger = logging.getLogger("notes.requests")

SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/=+@-]{1,64}")
SESSION_KEY = re.compile("[a-z0-9]{8,40}")


class RequestLogMiddleware:
    """Give the request an id, or keep the sane one it came with; write one log line; answer with the id."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        started = time.monotonic()
        incoming = request.headers.get("X-Request-ID", "")
        request.id = incoming if SANE_REQUEST_ID.fullmatch(incoming) else str(uuid_utils.compat.uuid7())
        token = request_id.current.set(request.id)
        try:
            response = self.get_response(request)
            response["X-Request-ID"] = request.id
            milliseconds = (time.monotonic() - started) * 1000
            # The path without its query: what people search for is nobody's business in a log.
            line = "%s %r %d %.1fms %s"
            said = [request.method, request.path, response.status_code, milliseconds, audit.origin(request)]
            logger.info(line, *said)
            return response
        finally:
            request_id.current.reset(token)


class HttpsMiddleware:
    """With NOTES_HTTPS, refuse what programs send over plain HTTP; what people open is redirected by Django.

    A redirect would be followed and forgotten, and the key sent in the clear each time. It is a 403, not a 400: nothing
    is wrong with the request but the way that it came.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        is_for_people = request.method in SAFE_METHODS and not is_api(request)
        if settings.SECURE_SSL_REDIRECT and not request.is_secure() and not is_for_people:
            return problem_response(request, HttpsRequired())
        return self.get_response(request)


class NoBodyMiddleware:
    """Take out the length that Django writes into an answer without a body: of a 304 it is wrong (RFC 9110, 8.6)."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        if response.status_code in {204, 304}:
            del response["Content-Length"]
        return response


class SessionCookieMiddleware:
    """Drop a session cookie that cannot be one: a NUL in it is an error in PostgreSQL, and it opens nothing anyway."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if not SESSION_KEY.fullmatch(request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")):
            request.COOKIES.pop(settings.SESSION_COOKIE_NAME, None)
        return self.get_response(request)


class DatabaseMiddleware:
    """See to it that no request is answered from a database file that is not there any more, and begin it unwritten."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        databases.close_if_moved()
        databases.commit_began.set(False)
        return self.get_response(request)
