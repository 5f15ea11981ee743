"""Group commit: writes that wait at the same time are committed together, and each stands or falls by itself."""

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.db.backends.sqlite3 import base

from notes import commits, databases
from notes.door import Door
from notes.models import Note, Receipt
from notes.verification import problems
from tests.keys import OPERATOR_KEY
from tests.people import client_with_key

pytestmark = [
    pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL commits by itself"),
    pytest.mark.django_db(transaction=True),
]
NOTES, BATCH = "/api/v1/notes", "/api/v1/batch"
SECONDS = 30


@pytest.fixture
def together(notebook):
    """Send writes so that all but the first are of one group; return their responses. `meanwhile` is called once."""

    def send(*requests, meanwhile=lambda: None):
        def answer(method, path, fields, headers=None):
            try:
                return getattr(client_with_key(OPERATOR_KEY), method)(path, fields, headers=headers)
            finally:
                connections.close_all()

        requests = [("post", NOTES, {"title": "The first"}), *requests]
        with ThreadPoolExecutor(len(requests)) as threads:
            with transaction.atomic():
                answers = []
                for number, request in enumerate(requests):
                    answers.append(threads.submit(answer, *request))
                    until(lambda number=number: commits.writes.is_led and len(commits.writes.waiting) == number)
                meanwhile()
            return [answer.result(SECONDS) for answer in answers][1:]

    yield send
    assert not commits.writes.is_led
    assert list(problems(notebook)) == []


def until(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def count_commits(monkeypatch):
    """Return the list of the threads that have committed."""
    committed, commit = [], base.DatabaseWrapper._commit

    def counted(self):
        committed.append(threading.get_ident())
        return commit(self)

    monkeypatch.setattr(base.DatabaseWrapper, "_commit", counted)
    return committed


def create(title, **headers):
    return "post", NOTES, {"title": title}, headers


def test_writes_that_wait_are_committed_together(together, count_commits):
    answers = together(*[create(f"Note {number}") for number in range(5)])

    assert [answer.status_code for answer in answers] == [201] * 5
    assert {answer.json()["title"] for answer in answers} == {f"Note {number}" for number in range(5)}
    # The test's own transaction, that of the first write, and that of the group.
    assert len(count_commits) == 3


def test_no_more_are_committed_together_than_may_wait_for_each_other(together, count_commits, monkeypatch):
    monkeypatch.setattr(commits, "MAX_WRITES", 2)

    assert [answer.status_code for answer in together(*[create(f"{number}") for number in range(5)])] == [201] * 5
    assert len(count_commits) == 5


def test_what_fails_in_a_group_fails_alone_and_leaves_nothing(together, notebook, note):
    half = {"operations": [{"op": "create", "title": "Half"}, {"op": "delete", "id": str(uuid.uuid4())}]}
    stale = {"If-Match": '"99"'}

    answers = together(
        create("One"),
        ("post", BATCH, half),
        ("patch", f"{NOTES}/{note.uuid}", {"title": "Stale"}, stale),
        ("post", NOTES, {"title": ""}),
        create("Two"),
    )

    assert [answer.status_code for answer in answers] == [201, 404, 412, 400, 201]
    assert set(Note.objects.values_list("title", flat=True)) == {"Plan", "The first", "One", "Two"}
    notebook.refresh_from_db()
    assert sorted(Note.objects.values_list("revision", flat=True)) == [1, 2, 3, 4]
    assert notebook.revision == 4


def test_if_one_cannot_be_rolled_back_alone_the_others_are_stored_all_the_same(together, monkeypatch):
    def fail(self, sid):
        raise OperationalError

    monkeypatch.setattr(base.DatabaseWrapper, "savepoint_rollback", fail)

    one, missing, two = together(create("One"), ("delete", f"{NOTES}/{uuid.uuid4()}", None), create("Two"))

    assert [one.status_code, missing.status_code, two.status_code] == [201, 404, 201]
    assert set(Note.objects.values_list("title", flat=True)) == {"The first", "One", "Two"}


def test_a_repeat_in_the_same_group_changes_nothing(together):
    first, repeat, other = together(*[create("Once", **{"Idempotency-Key": key}) for key in ("a", "a", "b")])

    assert [answer.status_code for answer in (first, repeat, other)] == [201, 201, 201]
    assert first.json() == repeat.json() != other.json()
    assert ("Idempotency-Replayed" in first) != ("Idempotency-Replayed" in repeat)
    assert sorted(Receipt.objects.values_list("key", flat=True)) == ["a", "b"]


def test_each_write_is_logged_under_its_own_request(together, notebook):
    answers = together(*[create(f"{number}", **{"X-Request-ID": f"request-{number}"}) for number in range(3)])

    for number, answer in enumerate(answers):
        assert answer["X-Request-ID"] == f"request-{number}"
        assert notebook.revisions.get(number=answer.json()["revision"]).request_id == f"request-{number}"


def test_a_fault_before_the_commit_is_that_of_one_write_alone(together, monkeypatch):
    door_create = Door.create

    def failing(door, **columns):
        if columns["title"] == "Broken":
            raise OperationalError
        return door_create(door, **columns)

    monkeypatch.setattr(Door, "create", failing)

    one, broken, two = together(create("One"), create("Broken"), create("Two"))

    assert [one.status_code, broken.status_code, two.status_code] == [201, 503, 201]
    assert "Nothing was stored" in broken.json()["detail"]


def test_after_a_fault_of_the_commit_nobody_claims_to_know(together, monkeypatch):
    commit = base.DatabaseWrapper._commit

    def fail(self):
        if Note.objects.filter(title="Two").exists():
            raise OperationalError
        return commit(self)

    monkeypatch.setattr(base.DatabaseWrapper, "_commit", fail)

    answers = together(create("One"), create("Two"))

    assert [answer.status_code for answer in answers] == [503, 503]
    assert all("It is not known whether it was stored" in answer.json()["detail"] for answer in answers)


def test_whoever_has_waited_too_long_is_told_that_nothing_is_stored(together, monkeypatch):
    monkeypatch.setattr(commits, "PATIENCE_SECONDS", 0.5)

    answers = together(create("One"), create("Two"), meanwhile=lambda: time.sleep(1))

    assert [answer.status_code for answer in answers] == [503, 503]
    assert all("Nothing was stored" in answer.json()["detail"] for answer in answers)
    assert list(Note.objects.values_list("title", flat=True)) == ["The first"]


def test_a_group_is_not_written_to_a_file_that_was_moved_away(together, count_commits, monkeypatch):
    """The leader looks before its turn comes. Whoever joins later may have seen the file gone."""
    looks = iter([OperationalError("moved")])

    def raise_once():
        if error := next(looks, None):
            raise error

    monkeypatch.setattr(databases, "raise_if_moved", raise_once)

    assert [answer.status_code for answer in together(create("One"), create("Two"))] == [201, 201]
    # The test's own transaction, the first write, and each of the two by itself.
    assert len(count_commits) == 4
