"""Middleware for every request: id and log line, HTTPS, headers and cookies, and the check for a moved database."""

import logging
import re
import time
from functools import cache
from typing import NamedTuple

import corsheaders.middleware
import csp.middleware
import uuid_utils
from django.conf import settings
from django.contrib.admindocs.views import simplify_regex
from django.utils.cache import patch_vary_headers
from rest_framework.permissions import SAFE_METHODS

from notes import databases, keys, request_id
from notes.api import audit
from notes.api.errors import is_api, problem_response
from notes.api.problems import HttpsRequired

logger = logging.getLogger("notes.requests")

SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/=+@-]{1,64}")
SESSION_KEY = re.compile("[a-z0-9]{8,40}")

# A client may make up others, as many as it likes.
METHODS = {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"}


def is_sane(incoming):
    """Tell whether a request may have this id. A key that came as one would stand in the log of writes."""
    is_secret = keys.IN_TEXT.search(incoming) or any(secret in incoming for secret in settings.SECRETS)
    return SANE_REQUEST_ID.fullmatch(incoming) and not is_secret


def route_of(request):
    """Return the pattern of a request's address, as the OpenAPI document writes it; `-` if there is none."""
    match = getattr(request, "resolver_match", None)
    return pattern_of(match.route) if match else "-"


@cache
def pattern_of(route):
    path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", simplify_regex(route)).replace("\\.", ".")
    return path.rstrip("/") or "/"


class Answered(NamedTuple):
    """What the log line of a request says."""

    method: str
    path: str
    route: str
    status: int
    milliseconds: float
    notebook: str
    address: str
    writer: str

    def __str__(self):
        return f"{self.method} {self.path!r} {self.status} {self.milliseconds}ms from {self.address} by {self.writer}"


class RequestLine:
    """One request, from its beginning to its line in the log. `META` is its WSGI environ."""

    def __init__(self, environ):
        self.META = environ
        self.started = time.monotonic()
        incoming = environ.get("HTTP_X_REQUEST_ID", "")
        self.id = incoming if incoming and is_sane(incoming) else str(uuid_utils.uuid7())
        self.token = request_id.current.set(self.id)

    def write(self, status, request, route, notebook, by=None):
        """Log the path without its query: what people search for does not belong in a log."""
        milliseconds = round((time.monotonic() - self.started) * 1000, 1)
        method, path = self.META["REQUEST_METHOD"], self.META["PATH_INFO"]
        if method not in METHODS:
            method = "OTHER"
        is_slow = 0 < settings.NOTES_SLOW_MS <= milliseconds
        answered = Answered(method, path, route, status, milliseconds, notebook, *audit.origin(request, by))
        logger.log(logging.WARNING if is_slow else logging.INFO, answered)
        if settings.NOTES_METRICS:
            from notes.api import metrics

            metrics.count_request(answered)

    def end(self):
        request_id.current.reset(self.token)


class RequestLogMiddleware:
    """Give the request an id, or keep a sane one that it came with. Write one log line, and send the id back."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        line = RequestLine(request.META)
        request.id = line.id
        try:
            response = self.get_response(request)
            response["X-Request-ID"] = line.id
            line.write(response.status_code, request, route_of(request), getattr(request, "notebook", "-"))
            return response
        finally:
            line.end()


class HttpsMiddleware:
    """With NOTES_HTTPS, refuse what programs send over plain HTTP. Django redirects the pages that people open.

    A program would follow a redirect unnoticed, and send its key in the clear each time. The answer is a 403, not a
    400: the request itself is fine, but it came over plain HTTP.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        is_for_people = request.method in SAFE_METHODS and not is_api(request)
        if settings.SECURE_SSL_REDIRECT and not request.is_secure() and not is_for_people:
            return problem_response(request, HttpsRequired())
        return self.get_response(request)


class PagePolicyMiddleware(csp.middleware.CSPMiddleware):
    """Send the Content-Security-Policy with pages alone: a program's answer is the same with a session and without."""

    def process_response(self, request, response):
        if response.get("Content-Type", "").startswith("text/html"):
            return super().process_response(request, response)
        return response


class CorsMiddleware(corsheaders.middleware.CorsMiddleware):
    """Let the library look at requests that come from a page of another origin, and at no others."""

    def __call__(self, request):
        if "HTTP_ORIGIN" in request.META or not is_api(request):
            return super().__call__(request)
        response = self.get_response(request)
        patch_vary_headers(response, ("origin",))
        return response


class NoBodyMiddleware:
    """Remove the Content-Length that Django adds to an answer without a body. On a 304 it is wrong (RFC 9110, 8.6)."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        if response.status_code in {204, 304}:
            del response["Content-Length"]
        return response


class SessionCookieMiddleware:
    """Drop a session cookie that cannot be a session key. It opens nothing, and PostgreSQL fails on a NUL in it."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if not SESSION_KEY.fullmatch(request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")):
            request.COOKIES.pop(settings.SESSION_COOKIE_NAME, None)
        return self.get_response(request)


class DatabaseMiddleware:
    """Never answer from a database file that has been moved away. Also record that nothing is written yet."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        databases.close_if_moved()
        databases.commit_began.set(False)
        return self.get_response(request)
