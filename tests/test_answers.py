"""An answer that is given again is what the view would answer now, for the one who asked, and for nobody else."""

import gc
import json
import re
import socket
import sqlite3
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection, connections
from django.utils import timezone

from notes.api.answers import Answers, Basis
from notes.door import Door
from notes.models import ApiKey, Note, Notebook
from notesproject.handler import Handler
from tests.keys import OPERATOR_KEY
from tests.people import make_key
from tests.server import serving
from tests.wire import Connection
from tests.writing import create_note, create_notes, edit, purge, restore, revert, trash
from tests.wsgi import answer, environ_of

NOTES = "/api/v1/notes"
CHANGES = "/api/v1/changes"
DAY = 86_400
# Nobody is asked for the first time at midnight, when a window ends.
NOON = 20_000 * DAY + DAY // 2
OWN = {"X-Request-ID"}

pytestmark = pytest.mark.django_db(transaction=True)


class Service:
    """The service as it is, and one that keeps no answers. `views` counts the requests that views have answered."""

    def __init__(self, settings):
        handler = Handler()
        self.answers, self.views = handler.for_programs, 0
        self.handler, self.view = handler, self.answers.application
        self.answers.application = self.counted
        settings.NOTES_ANSWERS_BYTES = 0
        self.without = Handler()

    def counted(self, environ, start_response):
        self.views += 1
        return self.view(environ, start_response)

    def ask(self, path, method="GET", **variables):
        return Answer(*answer(self.handler, environ_of(method, path, **variables)))

    def ask_without(self, path, method="GET", **variables):
        """Ask the service that keeps no answers."""
        return Answer(*answer(self.without, environ_of(method, path, **variables)))

    def warm(self, path, method="GET", **variables):
        """Have the answer kept, and return it."""
        self.ask(path, method, **variables)
        kept = self.ask(path, method, **variables)
        before = self.views
        assert self.ask(path, method, **variables).shown == kept.shown
        assert self.views == before
        return kept


@dataclass(frozen=True)
class Answer:
    status_line: str
    headers: list
    content: bytes

    @property
    def status(self):
        return int(self.status_line[:3])

    @property
    def shown(self):
        """All of it but what each request has of its own."""
        return self.status_line, [header for header in self.headers if header[0] not in OWN], self.content

    def __getitem__(self, name):
        return dict(self.headers)[name]

    def json(self):
        return json.loads(self.content)


@pytest.fixture
def service(notebook, settings):
    return Service(settings)


@pytest.fixture
def keys(notebook):
    """(ApiKey, text) of a reader, a writer and an admin."""
    return {level: make_key(notebook, level) for level in ("read", "write", "admin")}


@pytest.fixture
def callers(keys):
    """The variables of those who may read the default notebook."""
    headers = {level: {"HTTP_X_API_KEY": text} for level, (_, text) in keys.items()}
    return {"stranger": {}, "operator": {"HTTP_X_API_KEY": OPERATOR_KEY}, **headers}


@pytest.fixture
def counting(settings, monkeypatch):
    """The clock of the rates stands at noon, and nobody has been counted yet."""
    monkeypatch.setattr("notes.api.throttling.time", SimpleNamespace(time=lambda: NOON))
    cache.clear()
    yield settings
    cache.clear()


def set_clock(monkeypatch, moment):
    monkeypatch.setattr("django.utils.timezone.now", lambda: moment)
    monkeypatch.setattr("notes.api.answers.time", SimpleNamespace(time=moment.timestamp))


def address(note):
    return f"{NOTES}/{note.uuid}"


def key_header(text):
    return {"HTTP_X_API_KEY": text}


# Given again


@pytest.mark.parametrize("who", ["stranger", "operator", "read", "write", "admin"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_asked_for_the_third_time_is_answered_without_a_view_and_by_one_query(
    service, note, callers, who, method, django_assert_num_queries
):
    of_note = address(note), f"{address(note)}.md"
    for path in (NOTES, f"{NOTES}?limit=1&omit=body", f"{NOTES}?q=plan", *of_note, f"{CHANGES}?since=0"):
        kept = service.warm(path, method, **callers[who])

        with django_assert_num_queries(1):
            assert service.ask(path, method, **callers[who]).shown == kept.shown
        assert kept.shown == service.ask_without(path, method, **callers[who]).shown
        assert kept.status == 200


def test_a_304_is_given_again(service, note):
    for path in (NOTES, address(note), f"{address(note)}.md"):
        if_none_match = {"HTTP_IF_NONE_MATCH": service.ask(path)["ETag"]}

        kept = service.warm(path, **if_none_match)

        assert kept.shown == service.ask_without(path, **if_none_match).shown
        assert (kept.status, kept.content) == (304, b"")


@pytest.mark.parametrize("path", ["/api/v1/me", "/api/v1/tags", "/api/v1/trash", f"{NOTES}?x=1", f"{NOTES}/nothing"])
def test_every_other_answer_is_made_by_its_view(service, note, callers, path):
    for _ in range(4):
        service.ask(path, **callers["admin"])

    assert service.views == 4


def test_zero_bytes_turn_it_off(service):
    assert isinstance(service.handler.for_programs, Answers)
    assert not isinstance(service.without.for_programs, Answers)


# Never stale


class World:
    """Notes in every state, and what is asked about them by everybody."""

    def __init__(self, service, notebook, by, callers, folder):
        self.service, self.notebook, self.by, self.folder = service, notebook, by, folder
        self.plan, self.old, self.long = (
            create_note(notebook, by, title=title, body="plan of work", tags=["work"])
            for title in ("Plan", "Old", "Long")
        )
        edit(self.plan, by, body="another plan")
        trash(self.old, by)
        notebook.refresh_from_db()
        pages = [NOTES, f"{NOTES}?limit=1", f"{NOTES}?q=plan", f"{NOTES}?tag=work", address(self.plan)]
        paths = [*pages, self.second_page(), f"{CHANGES}?since=0", f"{CHANGES}?since={notebook.revision}"]
        self.requests = [(path, caller) for path in paths for caller in callers.values()]
        for path in pages:
            tag = {"HTTP_IF_NONE_MATCH": service.ask(path)["ETag"]}
            self.requests += [(path, {**tag, **caller}) for caller in callers.values()]

    def second_page(self):
        following = urlsplit(self.service.ask(f"{NOTES}?limit=1").json()["next"])
        return f"{following.path}?{following.query}"

    def warm(self):
        for path, variables in self.requests:
            for _ in range(2):
                self.service.ask(path, **variables)

    def stale(self):
        """Return the requests whose answers are not those of the service that keeps none."""
        return [
            (path, variables)
            for path, variables in self.requests
            if self.service.ask(path, **variables).shown != self.service.ask_without(path, **variables).shown
        ]


def save_notebook(world, browser, **fields):
    path = f"/admin/notes/notebook/{world.notebook.pk}/change/"
    assert browser.post(path, {"name": "default", **fields}).status_code == 302


def take_the_name_of_the_default_notebook(world):
    Notebook.objects.filter(pk=world.notebook.pk).update(name="former")
    twin(world, name="default", public=True)


def twin(world, **columns):
    """Return a notebook with the same numbers, and in it a note with the same id and number as `plan`."""
    other = Notebook.objects.create(**columns, revision=world.plan.revision - 1)
    create_note(other, world.by, title="Twin", uuid=world.plan.uuid)
    Notebook.objects.filter(pk=other.pk).update(revision=world.notebook.revision)
    return other


def import_a_folder(world):
    (world.folder / "plan.md").write_text("# A new plan\n\nof work")
    call_command("import_notes", str(world.folder))


WRITES = {
    "create": lambda world, browser, operator: create_note(world.notebook, world.by, title="New plan", tags=["work"]),
    "edit": lambda world, browser, operator: edit(world.plan, world.by, title="No plan"),
    "trash": lambda world, browser, operator: trash(world.plan, world.by),
    "trash and restore": lambda world, browser, operator: (trash(world.plan, world.by), restore(world.plan, world.by)),
    "restore": lambda world, browser, operator: restore(world.old, world.by),
    "purge": lambda world, browser, operator: purge(world.plan, world.by),
    "revert": lambda world, browser, operator: revert(
        world.plan, world.by, world.plan.revisions.order_by("number").first()
    ),
    "tag rename": lambda world, browser, operator: operator.post(
        "/api/v1/tags/rename", {"tag": "work", "name": "play"}
    ),
    "batch": lambda world, browser, operator: operator.post(
        "/api/v1/batch", {"operations": [{"op": "patch", "id": str(world.plan.uuid), "title": "No plan"}]}
    ),
    "import": lambda world, browser, operator: import_a_folder(world),
    "prune_revisions": lambda world, browser, operator: call_command("prune_revisions", days=0, keep=1),
    "empty_trash": lambda world, browser, operator: call_command("empty_trash", days=0),
    "rebuild_search": lambda world, browser, operator: call_command("rebuild_search"),
    "renew_epoch": lambda world, browser, operator: call_command("renew_epoch"),
    "made private": lambda world, browser, operator: save_notebook(world, browser),
    "made private and public": lambda world, browser, operator: (
        save_notebook(world, browser),
        save_notebook(world, browser, public="on"),
    ),
    "the default renamed": lambda world, browser, operator: take_the_name_of_the_default_notebook(world),
    "keys revoked": lambda world, browser, operator: [key.revoke() for key in ApiKey.objects.all()],
    "keys deleted": lambda world, browser, operator: ApiKey.objects.all().delete(),
    "keys of another level": lambda world, browser, operator: ApiKey.objects.update(level="read"),
    "keys expired": lambda world, browser, operator: ApiKey.objects.update(expires_at=timezone.now()),
    "keys of another notebook": lambda world, browser, operator: ApiKey.objects.update(
        notebook=twin(world, name="other")
    ),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_after_a_write_the_answers_are_those_of_a_service_that_keeps_none(
    service, notebook, by, callers, browser, operator, tmp_path, write
):
    world = World(service, notebook, by, callers, tmp_path)
    world.warm()
    views = service.views
    assert world.stale() == []
    assert service.views == views

    write(world, browser, operator)

    # Twice, as what is answered now is kept too.
    assert world.stale() == []
    assert world.stale() == []


def test_while_the_index_is_made_anew_a_search_is_answered_by_its_view(service, notebook, note):
    Notebook.objects.index_has_changed(search_format=0)

    for _ in range(4):
        service.ask(f"{NOTES}?q=plan")

    assert service.views == 4


@pytest.mark.parametrize("moment", ["before the view", "after the view"])
def test_a_write_while_a_view_answers_leaves_no_old_answer_behind(service, note, by, moment):
    requests = [NOTES, address(note), f"{CHANGES}?since=0"]
    view = service.view

    def with_a_write(environ, start_response):
        if moment == "before the view":
            edit(Note.objects.get(), by, body=f"{moment} {service.views}")
        response = view(environ, start_response)
        if moment == "after the view":
            edit(Note.objects.get(), by, body=f"{moment} {service.views}")
        return response

    for path in requests:
        service.ask(path)
    service.view = with_a_write
    for path in requests:
        service.ask(path)
    service.view = view

    for path in requests:
        assert service.ask(path).shown == service.ask_without(path).shown


@pytest.mark.skipif(connection.vendor != "sqlite", reason="a database of SQLite is one file")
def test_another_file_with_the_same_numbers_has_another_state(service, note, monkeypatch):
    files = iter([(1, 1), (1, 2), (1, 1)])
    monkeypatch.setattr("notes.databases.identity_of", lambda path: next(files))
    connection.close()
    basis = Basis()

    # The third file has got the number of the first, which is gone.
    states = {basis.state() for _ in range(3)}

    assert len(states) == 3


def test_no_answer_is_older_than_the_last_write_before_its_request(service, notebook, note, by):
    """Two write and four read, in threads."""
    done, written = threading.Event(), SimpleNamespace(last=note.revision)
    lock = threading.Lock()

    def write(body):
        for number in range(60):
            with Door(notebook, by) as door:
                door.edit(notebook.notes.get(), body=f"{body} {number}")
            with lock:
                written.last = max(written.last, door.revision)
            # Let what has been answered now be given again, some times.
            done.wait(0.004)

    def read(caller):
        asked, late = 0, []
        while not done.is_set():
            for path, shown in SHOWN.items():
                before = written.last
                revision = shown(service.ask(path.format(note=note.uuid), **caller).json())
                asked += 1
                if revision < before:
                    late.append((path, revision, before))
        return asked, late

    caller = key_header(make_key(notebook, "read")[1])
    with ThreadPoolExecutor(6) as threads:
        readers = [threads.submit(closing_connections, read, {} if number % 2 else caller) for number in range(4)]
        writers = [threads.submit(closing_connections, write, name) for name in ("one", "two")]
        try:
            for writer in writers:
                writer.result()
        finally:
            done.set()
        results = [reader.result() for reader in readers]

    assert [late for _, late in results] == [[]] * 4
    assert service.views < sum(asked for asked, _ in results)


def closing_connections(function, *arguments):
    try:
        return function(*arguments)
    finally:
        connections.close_all()


# The number of the last write that an answer knows of, where there is one note.
SHOWN = {
    f"{NOTES}/{{note}}": lambda fields: fields["revision"],
    NOTES: lambda fields: fields["results"][0]["revision"],
    f"{CHANGES}?since=0": lambda fields: fields["revision"],
}


# Never another's


def test_each_key_gets_the_answers_of_its_own_notebook(service, notebook, note, by):
    other = Notebook.objects.create(name="other")
    theirs = create_note(other, by, title="Theirs", uuid=note.uuid)
    ours, foreign = key_header(make_key(notebook, "read")[1]), key_header(make_key(other, "read")[1])
    assert theirs.revision == note.revision

    for path in (NOTES, address(note), f"{NOTES}?q=theirs", f"{CHANGES}?since=0"):
        kept = [service.warm(path, **key) for key in (ours, foreign)]

        assert [shown.shown for shown in kept] == [service.ask_without(path, **key).shown for key in (ours, foreign)]
        assert kept[0].content != kept[1].content


def test_a_wrong_key_gets_nothing_of_what_is_kept(service, notebook, note, callers):
    for caller in callers.values():
        service.warm(NOTES, **caller)
    text = callers["read"]["HTTP_X_API_KEY"]

    for wrong in (text[:-1], text + " ", text.upper(), "", f"{text},{text}", "wrong"):
        assert service.ask(NOTES, **key_header(wrong)).status == 401


@pytest.mark.parametrize(
    "variables",
    [
        {"HTTP_HOST": "localhost"},
        {"HTTP_HOST": "elsewhere.example"},
        {"SERVER_NAME": "localhost"},
        {"SERVER_NAME": "elsewhere.example"},
        {"SERVER_PORT": "8080"},
        {"wsgi.url_scheme": "https"},
        {"HTTP_ORIGIN": "https://app.example"},
        {"HTTP_ACCEPT": "application/json; indent=4"},
        {"HTTP_ACCEPT": "image/png"},
        {"CONTENT_TYPE": "multipart/form-data; charset=latin-1"},
        {"HTTP_CONTENT_ENCODING": "gzip"},
        {"HTTP_IF_NONE_MATCH": "*"},
        {"HTTP_IF_NONE_MATCH": "41"},
        {"REQUEST_METHOD": "HEAD"},
        {"REQUEST_METHOD": "OPTIONS"},
        {"REQUEST_METHOD": "DELETE"},
        {"QUERY_STRING": "limit=1&limit=1"},
        {"QUERY_STRING": "limit=%31"},
        {"PATH_INFO": "/api/v1/notes/"},
    ],
)
def test_a_request_that_differs_in_anything_gets_its_own_answer(service, notebook, by, settings, variables):
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]
    create_notes(notebook, by, [{"title": "One"}, {"title": "Two"}])
    service.warm(f"{NOTES}?limit=1")

    for _ in range(3):
        other = service.ask(f"{NOTES}?limit=1", **variables)
        assert other.shown == service.ask_without(f"{NOTES}?limit=1", **variables).shown


@pytest.mark.parametrize(
    "variables",
    [
        {"HTTP_COOKIE": "sessionid=x"},
        {"HTTP_IF_MATCH": '"1"'},
        {"HTTP_IF_MODIFIED_SINCE": "Tue, 24 Nov 2026 12:00:00 GMT"},
        {"HTTP_IF_UNMODIFIED_SINCE": "Tue, 24 Nov 2026 12:00:00 GMT"},
        {"HTTP_EXPECT": "100-continue"},
        {"CONTENT_LENGTH": "2", "body": b"{}"},
        {"notes.refusal": 415},
        {"REQUEST_METHOD": "POST"},
    ],
    ids=lambda variables: min(variables),
)
def test_these_requests_always_go_to_their_view(service, note, variables):
    service.warm(address(note))
    kept, views = dict(service.answers.kept), service.views

    for _ in range(3):
        answer(service.answers, environ_of("GET", address(note), **variables))

    assert service.views == views + 3
    assert service.answers.kept == kept


# Keys end


def test_a_key_is_refused_from_the_moment_at_which_it_expires(service, notebook, note, monkeypatch):
    now = timezone.now().replace(microsecond=0)
    caller = key_header(make_key(notebook, "read", expires_at=now + timedelta(seconds=30))[1])
    set_clock(monkeypatch, now)
    for path in (NOTES, address(note)):
        service.warm(path, **caller)

    seconds = {29: 200, 30: 401, 31: 401}
    for later, status in seconds.items():
        set_clock(monkeypatch, now + timedelta(seconds=later))
        assert [service.ask(path, **caller).status for path in (NOTES, address(note))] == [status, status]


def test_the_use_of_a_key_goes_on_being_recorded(service, notebook, note, monkeypatch):
    now = timezone.now()
    key, text = make_key(notebook, "read")
    used = []
    for minute in range(4):
        set_clock(monkeypatch, now + timedelta(minutes=minute))
        for _ in range(3):
            service.ask(NOTES, **key_header(text))
        key.refresh_from_db()
        used.append(key.last_used_at - now)

    assert used == [timedelta(minutes=minute) for minute in range(4)]
    # The clock was set back: the view looks at the key again.
    set_clock(monkeypatch, now - timedelta(days=1))
    service.ask(NOTES, **key_header(text))
    key.refresh_from_db()
    assert key.last_used_at == now - timedelta(days=1)


# Rates and the log


@pytest.mark.parametrize("who", ["stranger", "read", "operator"])
@pytest.mark.parametrize(("bodies", "limit"), [(0, 7), (7, 26), (7, 30), (7, 13)])
def test_rates_count_as_if_views_had_answered(service, notebook, by, callers, counting, who, bodies, limit):
    # Seven of these make a page count as four requests.
    create_notes(notebook, by, [{"title": f"Novel {number}", "body": "x" * 50_000} for number in range(bodies)])
    counting.NOTES_RATE_READS = (limit, DAY)

    expected = [service.ask_without(NOTES, **callers[who]) for _ in range(10)]
    cache.clear()
    got = [service.ask(NOTES, **callers[who]) for _ in range(10)]

    assert [(shown.status, shown["RateLimit"]) for shown in got] == [
        (shown.status, shown["RateLimit"]) for shown in expected
    ]
    assert [shown.status for shown in got].count(200) > 3
    assert got[-1].status == 429


def test_strangers_are_counted_by_their_address_behind_the_proxies(service, note, counting):
    counting.NOTES_RATE_READS, counting.NOTES_PROXIES = (3, DAY), 1

    for last in range(3):
        client = {"HTTP_X_FORWARDED_FOR": f"made up, 198.51.100.{last}"}
        assert [service.ask(NOTES, **client).status for _ in range(5)] == [200, 200, 200, 429, 429]
    # All of them were given the same answer.
    assert len(service.answers.kept) == 1


def test_the_operators_key_is_refused_once_no_guess_is_left(service, note, callers, counting):
    counting.NOTES_RATE_FAILURES = (2, DAY)
    for who in ("operator", "read"):
        service.warm(NOTES, **callers[who])

    guesses = [service.ask(NOTES, **key_header("wrong")).status for _ in range(2)]

    assert guesses == [401, 401]
    assert service.ask(NOTES, **callers["operator"]).status == 429
    assert service.ask(NOTES, **callers["operator"], REMOTE_ADDR="192.0.2.7").status == 200
    assert service.ask(NOTES, **callers["read"]).status == 200


@pytest.mark.parametrize("who", ["stranger", "operator", "read"])
def test_the_log_has_a_line_for_each_request_with_its_own_id_and_its_writer(
    service, note, callers, who, log_lines, settings
):
    settings.NOTES_PROXIES = 1
    service.warm(NOTES, **callers[who])
    log_lines.truncate(0)

    ids = [
        service.ask(
            NOTES, **callers[who], HTTP_X_REQUEST_ID=f"number-{number}", HTTP_X_FORWARDED_FOR=f"192.0.2.{number}"
        )["X-Request-ID"]
        for number in range(2)
    ]
    service.ask_without(NOTES, **callers[who], HTTP_X_REQUEST_ID="view", HTTP_X_FORWARDED_FOR="192.0.2.9")

    written = re.compile(r"notes.requests \[(.*?)\] (.*) [\d.]+ms from 192.0.2.\d (.*)")
    lines = [written.search(line) for line in lines_of(log_lines)]
    assert ids == ["number-0", "number-1"]
    assert [line[1] for line in lines] == [*ids, "view"]
    assert len({line.group(2, 3) for line in lines}) == 1


def lines_of(log_lines):
    return log_lines.getvalue().lstrip("\0").splitlines()


def test_a_request_without_a_sane_id_gets_one_of_its_own(service, note):
    service.warm(NOTES)

    ids = {service.ask(NOTES, HTTP_X_REQUEST_ID="not sane")["X-Request-ID"] for _ in range(3)}

    assert len(ids) == 3
    assert "not sane" not in ids


# Bounds


@pytest.mark.parametrize("header_bytes", [10, 20_000])
def test_what_is_kept_stays_within_its_bytes_of_memory(service, note, header_bytes):
    kept, service.answers.max_bytes = service.answers.kept, 400_000

    tracemalloc.start()
    for number in range(200):
        for _ in range(2):
            service.ask(NOTES, HTTP_USER_AGENT="x" * header_bytes + str(number))
    counted, sizes = service.answers.bytes, sum(answer.size for answer in kept.values())
    # Requests that are not collected yet hold the same text.
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    kept.clear()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert 350_000 < counted == sizes <= 400_000
    assert 100_000 < before - after <= 400_000


def test_what_was_given_least_recently_goes_first(service, note):
    service.warm(NOTES)
    service.answers.max_bytes = 100_000

    for number in range(100):
        for _ in range(2):
            service.ask(NOTES, HTTP_USER_AGENT=str(number))
        views = service.views
        service.ask(NOTES)
        assert service.views == views

    assert 10 < len(service.answers.kept) < 100


def test_one_answer_takes_no_more_than_an_eighth(service, notebook, by):
    create_note(notebook, by, title="Long", body="x" * 50_000)
    service.answers.max_bytes = 200_000

    for _ in range(3):
        service.ask(NOTES)

    assert service.views == 3
    assert service.answers.kept == {}


# On the wire


def test_a_server_gives_no_kept_answer_to_a_request_that_deserves_another(service, note):
    path, key = address(note), f"X-API-Key: {OPERATOR_KEY}"
    plain = ["Host: localhost", "Content-Type: application/json", key]

    with serving("--processes", "1") as server:

        def status(*headers, version="1.1"):
            address_of_server = urlsplit(server.url)
            with socket.create_connection((address_of_server.hostname, address_of_server.port), timeout=20) as client:
                lines = [f"GET {path} HTTP/{version}", *headers, "Connection: close", "", ""]
                client.sendall("\r\n".join(lines).encode("latin-1"))
                return int(client.makefile("rb").readline().split()[1])

        assert [status(*plain) for _ in range(3)] == [200] * 3
        # In other cases and another order it is the same request to the service.
        assert status(*(f"{line.partition(':')[0].lower()}:{line.partition(':')[2]}" for line in plain[::-1])) == 200
        assert status(*plain, key) == 401
        assert status(*plain[:2], "X-API-Key: \xe9") == 401
        assert status(*plain[:2], "X_API_Key: wrong") == 200
        assert status(plain[0], "Content-Type: application/json; charset=latin-1", key) == 415
        assert status("Host: elsewhere.example", *plain[1:]) == 400
        assert status(*plain, 'If-Match: "41"') == 412


@pytest.mark.skipif(connection.vendor != "sqlite", reason="a database of SQLite is one file")
def test_a_server_gives_no_answer_of_a_file_that_is_gone(service, note, tmp_path):
    path, backup = tmp_path / "notes.sqlite3", tmp_path / "backup.sqlite3"
    for name in (path, backup):
        with closing(sqlite3.connect(name)) as copy:
            connection.connection.backup(copy)
    with closing(sqlite3.connect(backup)) as copy, copy:
        copy.execute("UPDATE notes_note SET title = 'Another history'")

    with serving("--processes", "1", DATABASE_URL=f"sqlite:///{path}") as server, Connection(server.url) as client:

        def titles():
            answers = [client.send("GET", address(note)) for _ in range(3)]
            return {answer.json()["title"] if answer.status == 200 else answer.status for answer in answers}

        assert titles() == {"Plan"}
        for name in (path, tmp_path / "notes.sqlite3-wal", tmp_path / "notes.sqlite3-shm"):
            name.unlink()
        assert titles() == {503}
        backup.rename(path)
        assert titles() == {"Another history"}
