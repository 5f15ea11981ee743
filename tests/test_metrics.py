"""/metrics: figures that are right, for the operator alone, over all processes, and only if they are wanted."""

import os
import re
import signal
import time
import urllib.error
import urllib.request
from datetime import timedelta

import pytest
import yaml
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from notes.models import Backup, Notebook
from notesproject.environment import BASE_DIR
from notesproject.handler import Handler
from tests.keys import OPERATOR_KEY
from tests.people import client_with_key
from tests.problems import problem_of
from tests.server import serving
from tests.wire import Connection
from tests.writing import create_note, trash
from tests.wsgi import answer, environ_of

NOTES = "/api/v1/notes"
TOKEN = "a-token-for-prometheus"


def figures_in(text):
    """Return {(name, labels...): value}."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def figures(settings):
    settings.NOTES_METRICS_TOKEN = TOKEN
    return lambda: figures_in(Client().get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).content.decode())


def test_requests_are_counted_by_route_method_and_status(operator, note, figures):
    names = [("GET", f"{NOTES}/{{id}}", "200"), ("GET", f"{NOTES}/{{id}}", "404"), ("POST", NOTES, "400")]
    before = figures()

    operator.get(f"{NOTES}/{note.uuid}")
    operator.get(f"{NOTES}/{note.uuid}/")
    operator.get(f"{NOTES}/nothing")
    operator.post(NOTES, {"title": 1})

    after = figures()
    count = "notes_request_seconds_count"
    counted = [after[count, *name] - before.get((count, *name), 0) for name in names]
    assert counted == [2, 1, 1]
    assert not [name for name in after if str(note.uuid) in str(name)]


def test_methods_and_paths_that_a_client_makes_up_are_no_figures_of_their_own(stranger, figures):
    for number in range(20):
        stranger.generic(f"BREW{number}", f"/api/v1/nope/{number}")
        stranger.generic(f"BREW{number}", f"/nope/{number}")

    routes = {name[1:] for name in figures() if name[0] == "notes_request_seconds_count"}
    assert {name for name in routes if "BREW" in str(name) or "nope" in str(name)} == set()
    assert ("OTHER", "-", "404") in routes


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_is_given_again_counts_as_any_other(notebook, figures):
    name = "notes_request_seconds_count", "GET", NOTES, "200"
    before, handler = figures().get(name, 0), Handler()

    for _ in range(5):
        answer(handler, environ_of("GET", NOTES))

    assert figures()[name] == before + 5


def test_refusals_are_counted_by_what_was_wrong(notebook, settings, figures):
    before = figures()
    settings.NOTES_RATE_READS = (1, 3600)

    for _ in range(2):
        client_with_key("notes_typo").get(NOTES)
    for _ in range(3):
        client_with_key(OPERATOR_KEY).get(NOTES)

    after = figures()
    counted = {
        event: after["notes_refusals_total", event] - before.get(("notes_refusals_total", event), 0)
        for event in ("malformed_key", "throttled")
    }
    assert counted["malformed_key"] == 2
    assert counted["throttled"] >= 2


def test_what_is_stored_is_told_of_all_notebooks(notebook, by, note, figures):
    trash(create_note(notebook, by, title="Trashed"), by)
    create_note(Notebook.objects.create(name="other"), by, title="Other")

    told = figures()

    names = "notes_live", "notes_trashed", "notes_notebooks", "notes_writes_total"
    assert [told[name,] for name in names] == [2, 1, 2, 4]
    assert told["notes_database_up",] == 1


def test_the_age_of_the_last_verified_backup_is_a_figure(notebook, figures):
    Backup.objects.create(path="new", sha256="1")
    assert ("notes_verified_backup_age_seconds",) not in figures()
    hour_ago = timezone.now() - timedelta(hours=1)
    Backup.objects.create(path="old", sha256="2", made_at=hour_ago, verified_at=timezone.now())

    assert 3600 <= figures()["notes_verified_backup_age_seconds",] < 3700


def test_without_a_database_the_token_still_opens_the_other_figures(notebook, figures):
    def fail(*args):
        raise OperationalError

    with connection.execute_wrapper(fail):
        told = figures()

    assert told["notes_database_up",] == 0
    assert ("notes_live",) not in told


# Who may


@pytest.mark.parametrize("header", ["X-API-Key", "Authorization"])
@pytest.mark.parametrize("wrong", ["", "a-token-for-prometheu", f"{TOKEN} ", "é"])
def test_a_wrong_token_opens_nothing_and_the_right_one_nothing_else(notebook, settings, header, wrong):
    settings.NOTES_METRICS_TOKEN = TOKEN
    sent = {text: {header: f"Bearer {text}" if header == "Authorization" else text} for text in (TOKEN, wrong)}

    assert Client().get("/metrics", headers=sent[TOKEN]).status_code == 200
    assert Client().get("/metrics", headers=sent[wrong]).status_code == 401
    assert Client().get("/api/v1/keys", headers=sent[TOKEN]).status_code == 401


def test_without_a_token_an_empty_one_opens_nothing(notebook):
    assert Client().get("/metrics", headers={"Authorization": "Bearer "}).status_code == 401


def test_guesses_are_limited(notebook, settings):
    settings.NOTES_METRICS_TOKEN, settings.NOTES_RATE_FAILURES = TOKEN, (3, 3600)
    guesses = [
        Client().get("/metrics", headers={"Authorization": f"Bearer {text}"}, REMOTE_ADDR="203.0.113.77").status_code
        for text in [*["wrong"] * 4, TOKEN]
    ]

    assert guesses == [401, 401, 401, 429, 429]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
def test_while_it_is_off_there_is_nothing(operator, settings, method):
    settings.NOTES_METRICS = False

    response = operator.generic(method, "/metrics")

    assert response.status_code == 404
    assert not response.content or problem_of(response, 404)["code"] == "not_found"


# Over several processes


def scrape(server):
    request = urllib.request.Request(f"{server.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return figures_in(response.read().decode())


@pytest.mark.prove
@pytest.mark.once
def test_all_processes_count_together_and_a_killed_one_takes_nothing_away(transactional_db, notebook):
    name = "notes_request_seconds_count", "GET", NOTES, "200"
    with serving("--processes", "2", NOTES_METRICS_TOKEN=TOKEN) as server:
        ask(server, 40)
        assert {scrape(server)[name] for _ in range(6)} == {40}

        os.kill(int(re.findall(r"Spawning worker-1 with PID: (\d+)", server.log)[0]), signal.SIGKILL)
        wait_for(server, "Spawning worker-1", 2)
        ask(server, 20)
        assert {scrape(server)[name] for _ in range(6)} == {60}


def ask(server, times):
    for _ in range(times):
        # A connection each: it may be taken by any process.
        with Connection(server.url) as client:
            assert client.send("GET", NOTES).status == 200


def wait_for(server, words, times):
    deadline = time.monotonic() + 20
    while server.log.count(words) < times or not answers(server):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answers(server):
    try:
        return [urllib.request.urlopen(f"{server.url}/healthz", timeout=5).close() for _ in range(8)]
    except OSError:
        return False


def test_the_alerts_of_the_documentation_name_figures_that_are_there(notebook, figures):
    Backup.objects.create(path="old", sha256="1", verified_at=timezone.now())
    client_with_key("notes_typo").get(NOTES)
    rules = re.search(r"^# notes.rules.yml\n(.*?)^```", (BASE_DIR / "docs/operation.md").read_text(), re.M | re.S)[1]

    expressions = [rule["expr"] for rule in yaml.safe_load(rules)["groups"][0]["rules"]]

    named = {name for expression in expressions for name in re.findall(r"\bnotes_\w+", expression)}
    assert len(expressions) == 6
    assert named <= {name for name, *_ in figures()}
