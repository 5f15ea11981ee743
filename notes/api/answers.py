"""Answers that are given again, without Django, as long as the database says that nothing has changed.

An answer is found by its whole request: method, address, and every header but two. The API key is among them, so nobody
gets the answer of somebody else.

An answer is kept with the state of what it was made from: the note or the notebook, and the key. Each request reads
that state anew, by one query. If it is another one, the view answers.

The state is read before the view runs. If somebody writes in between, the answer is newer than its state, and the next
request drops it. An answer is kept when it is asked for a second time.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, connections

from notes import databases
from notes.api.authentication import OperatorKey
from notes.api.middleware import RequestLine
from notes.api.throttling import FailureThrottle, Window, address_of
from notes.models import ApiKey, Note, Notebook
from notes.prepared import Parameter, Prepared

Environ = dict[str, Any]
Headers = list[tuple[str, str]]

# No view looks at these two. The log and the rates do.
WITHOUT_EFFECT = {"HTTP_X_REQUEST_ID", "HTTP_X_FORWARDED_FOR"}
# Requests with one of these always go to the view.
BYPASSING = {
    "HTTP_COOKIE",
    "HTTP_IF_MATCH",
    "HTTP_IF_MODIFIED_SINCE",
    "HTTP_IF_UNMODIFIED_SINCE",
    "HTTP_EXPECT",
    "notes.refusal",
}
# An answer that is given again gets these anew.
OWN_HEADERS = {"X-Request-ID", "RateLimit", "RateLimit-Policy"}

MAX_KNOWN = 10_000
# What an answer takes in memory at most, besides its content and the text of its request. Measured.
BYTES_OF_AN_ANSWER = 2500

DIGEST = Parameter("digest", ApiKey._meta.get_field("digest"))
OF_NOTE = {"uuid": Parameter("uuid", Note._meta.get_field("uuid")), "deleted_at": None}
OF_NOTEBOOK = ["epoch", "revision", "search_generation", "search_format"]
OF_KEY = ["level", "revoked_at", "expires_at"]


def states(*, keyed: bool, of_note: bool) -> Prepared[Any]:
    """Return the query for the state of what an answer is made from."""
    if of_note and keyed:
        notes = Note.objects.filter(**OF_NOTE, notebook__keys__digest=DIGEST)
        columns = ["revision", "notebook__epoch", *(f"notebook__keys__{name}" for name in OF_KEY)]
    elif of_note:
        notes = Note.objects.filter(**OF_NOTE, notebook__name=Notebook.DEFAULT_NAME)
        columns = ["revision", "notebook__epoch", "notebook__public"]
    elif keyed:
        notes = ApiKey.objects.filter(digest=DIGEST)
        columns = ["notebook", *OF_KEY, *(f"notebook__{name}" for name in OF_NOTEBOOK)]
    else:
        notes = Notebook.objects.filter(name=Notebook.DEFAULT_NAME)
        columns = ["pk", "public", *OF_NOTEBOOK]
    return Prepared(lambda: notes.values_list(*columns))


STATES = {
    (keyed, of_note): states(keyed=keyed, of_note=of_note) for keyed in (True, False) for of_note in (True, False)
}


@dataclass(frozen=True)
class Basis:
    """What an answer is made from: one note or a notebook, seen with an ApiKey, or in the default notebook."""

    digest: str | None = None
    uuid: UUID | None = None

    def state(self) -> tuple[Any, ...] | None:
        """Return what the database says of it now: the same as long as the same request has the same answer."""
        databases.close_if_moved()
        rows = STATES[self.digest is not None, self.uuid is not None].rows(digest=self.digest, uuid=self.uuid)
        # Another file may have another history with the same numbers.
        file = getattr(connections[DEFAULT_DB_ALIAS], "opened_file", None), databases.moves
        return (*rows[0], *file) if rows else None


class Again(NamedTuple):
    """What a view says of an answer: on which basis, and until when at most, it may be given again.

    `writer` is None for a stranger. `requests` is how many requests it counts as, under the rate of reads. The log line
    of each request names the writer, the route and the notebook.
    """

    basis: Basis
    writer: str | None
    ends_at: float
    requests: int
    route: str
    notebook: str


class Answer(NamedTuple):
    again: Again
    state: tuple[Any, ...]
    kept_at: float
    status: int
    status_line: str
    headers: Headers
    content: bytes
    size: int


class Answers:
    """A WSGI application around Django's, that keeps up to `max_bytes` of its answers."""

    def __init__(self, application: Callable[..., Any], max_bytes: int) -> None:
        self.application = application
        self.max_bytes = max_bytes
        self.mutex = threading.Lock()
        self.bytes = 0
        self.kept: OrderedDict[Any, Answer] = OrderedDict()
        # What the answers of earlier requests were made from, by the hashes of these requests.
        self.known: OrderedDict[int, Basis] = OrderedDict()

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not may_be_given_again(environ):
            return self.application(environ, start_response)
        request = key_of(environ)
        answer = self.kept.get(request)
        if answer is not None:
            content = self.give_again(request, answer, environ, start_response)
            if content is not None:
                return content
        return self.ask(request, environ, start_response)

    def give_again(
        self, request: Any, answer: Answer, environ: Environ, start_response: Callable[..., Any]
    ) -> list[bytes] | None:
        """Answer, or return None if the view must: something has changed, or the rate is used up."""
        line = RequestLine(environ)
        try:
            if not self.is_current(answer):
                self.drop(request, answer)
                return None
            rates = rate_headers(line, answer.again)
            if rates is None:
                return None
            with self.mutex:
                if request in self.kept:
                    self.kept.move_to_end(request)
            again = answer.again
            line.write(answer.status, line, again.route, again.notebook, by=again.writer or "-")
        finally:
            line.end()
        start_response(answer.status_line, [*answer.headers, *rates, ("X-Request-ID", line.id)])
        return [answer.content]

    def is_current(self, answer: Answer) -> bool:
        try:
            return answer.kept_at <= time.time() < answer.again.ends_at and answer.again.basis.state() == answer.state
        except Error:
            return False

    def ask(self, request: Any, environ: Environ, start_response: Callable[..., Any]) -> Any:
        """Let the view answer. Keep the answer if this is the second time."""
        known = self.known.get(hash(request))
        try:
            state = known.state() if known else None
        except Error:
            state = None
        kept_at = time.time()
        response = self.application(environ, start_response)
        again = getattr(response, "again", None)
        if again is None or response.streaming or response.cookies:
            return response
        with self.mutex:
            if known is None:
                self.known[hash(request)] = again.basis
                if len(self.known) > MAX_KNOWN:
                    self.known.popitem(last=False)
            elif state is not None and again.basis == known:
                headers = [(name, value) for name, value in response.items() if name not in OWN_HEADERS]
                status, line = response.status_code, f"{response.status_code} {response.reason_phrase}"
                # A copy: orjson's own bytes hold four kilobytes, however short they are.
                content = bytes(memoryview(response.content))
                size = len(content) + len(repr(request)) + BYTES_OF_AN_ANSWER
                self.keep(request, Answer(again, state, kept_at, status, line, headers, content, size))
        return response

    def keep(self, request: Any, answer: Answer) -> None:
        if answer.size > self.max_bytes // 8:
            return
        replaced = self.kept.pop(request, None)
        self.bytes += answer.size - (replaced.size if replaced else 0)
        self.kept[request] = answer
        while self.bytes > self.max_bytes:
            self.bytes -= self.kept.popitem(last=False)[1].size

    def drop(self, request: Any, answer: Answer) -> None:
        with self.mutex:
            if self.kept.get(request) is answer:
                self.bytes -= self.kept.pop(request).size


def rate_headers(request: RequestLine, again: Again) -> Headers | None:
    """Count the request under its rate, and return the headers that say so; None if the view must refuse it."""
    if again.writer == OperatorKey.writer_id and FailureThrottle(request).is_used_up():
        return None
    if settings.NOTES_RATE_READS is None:
        return []
    window = Window("reads", settings.NOTES_RATE_READS, again.writer or address_of(request))
    counted = window.count()
    if counted > window.limit:
        return None
    # As in a view, a long answer may go beyond the limit: it is the next request that is refused.
    if again.requests > 1:
        counted = window.count(again.requests - 1)
    return list(window.headers(counted).items())


def may_be_given_again(environ: Environ) -> bool:
    """Tell whether this is a read without a body, and without anything else that only a view looks at."""
    return (
        environ["REQUEST_METHOD"] in {"GET", "HEAD"}
        and environ.get("CONTENT_LENGTH", "0") in {"0", ""}
        and BYPASSING.isdisjoint(environ)
    )


def key_of(environ: Environ) -> tuple[Any, ...]:
    """Return all of a request without a body that can shape its answer."""
    return (
        environ["REQUEST_METHOD"],
        environ["PATH_INFO"],
        environ["QUERY_STRING"],
        environ["wsgi.url_scheme"],
        # Without a Host header these two stand in the links of an answer.
        environ["SERVER_NAME"],
        environ["SERVER_PORT"],
        environ.get("CONTENT_TYPE"),
        *[item for item in environ.items() if item[0][:5] == "HTTP_" and item[0] not in WITHOUT_EFFECT],
    )
