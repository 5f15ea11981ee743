"""Reads the whole body of a request, or refuses it, before Django sees it.

Servers pass on a body that broke off as if it were complete, and Django takes a chunked body for an empty one. The
functions here judge what a request announces and what has come of it. ExactBody reads by them for any WSGI server;
notesproject/uploads.py does so on an event loop.

Django gets a plain stream of known length. If the body is no good, Django gets an empty one, and
environ["notes.refusal"] holds the status. RefusalMiddleware answers with it.
"""

import contextlib
import io

from notes.api.errors import problem_response
from notes.api.problems import (
    BrokenBody,
    LengthRequired,
    Overloaded,
    RequestTimeout,
    RequestTooLarge,
    UnsupportedBody,
)

READ_BYTES = 64 * 1024
DRAIN_BYTES = 16 * 1024 * 1024
MAX_LENGTH_DIGITS = 18


class BadBody(Exception):
    """The body cannot be used; the status says why: one of RefusalMiddleware.PROBLEMS."""

    def __init__(self, status):
        self.status = status


def announced_length(environ, max_bytes):
    """Return how many bytes the request announces, or None if they come in chunks. Raise BadBody if it may not."""
    raise_415_for_charset(environ)
    announced = environ.get("CONTENT_LENGTH", "")
    coding = environ.get("HTTP_TRANSFER_ENCODING", "").strip().lower()
    if coding:
        # Two lengths, or a coding we cannot undo: RFC 9112, 6.1 and 6.3, treats both as attempts at smuggling.
        if announced or coding != "chunked":
            raise BadBody(400)
        # runserver does not decode chunks, and does not set `wsgi.input_terminated`. granian decodes them, but passes
        # on a body that was cut off as if it were complete. Only JSON is safe then: cut short, it does not parse.
        if not (environ.get("wsgi.input_terminated") and is_json(environ.get("CONTENT_TYPE", ""))):
            raise BadBody(411)
        return None
    if not announced:
        return 0

    # int() alone would take "+5", "1_000" and digits of other scripts, and it fails above 4300 digits.
    if not (announced.isascii() and announced.isdigit()) or len(announced) > MAX_LENGTH_DIGITS:
        raise BadBody(400)
    length = int(announced)
    if length > max_bytes:
        raise BadBody(413)
    return length


def bytes_to_read(length, max_bytes):
    """Return how many bytes to read at most. One more than is allowed tells a chunked body that is too long."""
    return max_bytes + 1 if length is None else length


def raise_if_not_whole(size, length, max_bytes):
    """Raise BadBody unless so many bytes are the whole body."""
    if length is not None:
        if size < length:
            raise BadBody(400)
    elif size > max_bytes:
        raise BadBody(413)
    elif not size:
        # Nobody sends an empty body in chunks: this one broke off at its beginning.
        raise BadBody(400)


def hand_over(environ, body=b"", refusal=None):
    """Let Django read this body, or refuse the request with this status."""
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    if refusal:
        environ["notes.refusal"] = refusal


class ExactBody:
    def __init__(self, application, *, max_bytes):
        self.application = application
        self.max_bytes = max_bytes

    def __call__(self, environ, start_response):
        stream = environ["wsgi.input"]
        try:
            hand_over(environ, self.read_body(environ))
        except BadBody as error:
            hand_over(environ, refusal=error.status)
        response = self.application(environ, start_response)

        # A client that waits for "100 Continue" has sent nothing yet. Reading would make it send the body.
        if "notes.refusal" in environ and "HTTP_EXPECT" not in environ:
            return DrainedAfterwards(response, stream)
        return response

    def read_body(self, environ):
        length = announced_length(environ, self.max_bytes)
        body = read_up_to(environ["wsgi.input"], bytes_to_read(length, self.max_bytes))
        raise_if_not_whole(len(body), length, self.max_bytes)
        return body


class DrainedAfterwards:
    """A response after which the rest of the request is read and thrown away.

    Closing a connection with unread bytes resets it, and the client may lose the answer. The answer goes out first,
    because a client may wait for it before it sends the rest.
    """

    def __init__(self, response, stream):
        self.response = response
        self.stream = stream

    def __iter__(self):
        return iter(self.response)

    def close(self):
        self.response.close()
        left = DRAIN_BYTES
        with contextlib.suppress(BadBody):
            while left > 0 and (piece := read_piece(self.stream, READ_BYTES)):
                left -= len(piece)


def refuse_bad_charset(environ):
    """Do what ExactBody does for a request without a body."""
    try:
        raise_415_for_charset(environ)
    except BadBody as error:
        hand_over(environ, refusal=error.status)


def raise_415_for_charset(environ):
    """Raise for a charset other than UTF-8, and remove it: Django would decode the query string with any such codec."""
    media_type, *parameters = environ.get("CONTENT_TYPE", "").split(";")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in {"utf-8", "utf8"}:
            environ["CONTENT_TYPE"] = media_type.strip()
            raise BadBody(415)


def is_json(content_type):
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")


def read_up_to(stream, count):
    """Return `count` bytes, or fewer if the stream ends before."""
    pieces = []
    while count > 0 and (piece := read_piece(stream, min(count, READ_BYTES))):
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


def read_piece(stream, count):
    try:
        return stream.read(count)
    except Exception as error:
        # A broken connection is an OSError, but gunicorn reports a broken chunk with its own classes.
        raise BadBody(400) from error


UTF_8 = {"utf-8", "utf8"}


class RefusalMiddleware:
    """Answer with a problem document if the request was refused before Django saw it.

    Also refuse a body with a Content-Encoding, and a form in a charset other than UTF-8. Django would decode the form
    with any codec of that name, even "base64".
    """

    PROBLEMS = {
        400: BrokenBody,
        408: RequestTimeout,
        411: LengthRequired,
        413: RequestTooLarge,
        415: UnsupportedBody,
        503: Overloaded,
    }

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        status = request.META.get("notes.refusal")
        if status:
            return problem_response(request, self.PROBLEMS[status]())
        if request.META.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
            # Decoding could make a small body huge. Without decoding, the body would mean something else.
            problem = UnsupportedBody("Send the body as it is, without Content-Encoding.")
            response = problem_response(request, problem)
            response["Accept-Encoding"] = "identity"
            return response
        charset = request.content_params.get("charset", "utf-8").lower()
        if request.content_type == "multipart/form-data" and charset not in UTF_8:
            return problem_response(request, UnsupportedBody("A form is UTF-8."))
        return self.get_response(request)
