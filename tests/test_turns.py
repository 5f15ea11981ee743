"""Writers take turns in the order in which they came, whoever they are. They do not keep readers from work."""

import itertools
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from io import StringIO
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.db import connection, connections, transaction

from notes import databases, turns
from notes.databases import TooManyWriters
from notes.management.commands import rebuild_search
from notes.models import ApiKey, Note
from notes.turns import Turns
from notesproject.sqlite.head import Head
from tests.keys import OPERATOR_KEY
from tests.people import client_with_key, make_key
from tests.server import PROJECT, process_environment, running, serving
from tests.wire import Connection
from tests.writing import create_note, create_notes

NOTES = "/api/v1/notes"
SECONDS = 30
MORE_THAN_WORK_AT_A_TIME = 40
on_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has its own queue")


def waiting(queue, count):
    """Wait until that many threads stand in the queue."""
    for _ in range(SECONDS * 100):
        if len(queue.queue) == count:
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"{len(queue.queue)} threads wait, not {count}")


# The queue


def test_turns_come_in_the_order_in_which_they_were_asked_for():
    queue, came = Turns(at_once=1, places=10), []
    queue.take()

    def ask(number):
        queue.take()
        came.append(number)
        queue.give_back()

    threads = []
    for number in range(5):
        threads.append(threading.Thread(target=ask, args=[number]))
        threads[-1].start()
        waiting(queue, number + 1)
    queue.give_back()
    for thread in threads:
        thread.join()

    assert came == [0, 1, 2, 3, 4]


def test_whoever_gave_up_is_passed_over():
    queue = Turns(at_once=1, places=10)
    queue.take()

    assert queue.take(seconds=0.01) is False
    queue.give_back()
    assert queue.take(seconds=0) is True


def test_a_full_queue_and_the_impatient_are_told_at_once():
    queue = Turns(at_once=1, places=0)
    queue.take()

    assert queue.take(seconds=SECONDS) is False
    assert Turns(at_once=0, places=10).take(seconds=0) is False


def test_no_more_than_the_limit_work_at_once():
    queue = Turns(at_once=2, places=10)

    assert [queue.take(seconds=0) for _ in range(3)] == [True, True, False]


def test_a_request_steps_aside_once_and_only_while_it_is_at_work():
    left = []

    turns.step_aside()
    with turns.at_work(lambda: left.append("once")):
        turns.step_aside()
        turns.step_aside()
    turns.step_aside()

    assert left == ["once"]


# SQLite's writers


def in_thread(function):
    """Run it in a thread with a connection of its own; return the result."""

    def run():
        try:
            return function()
        finally:
            connections.close_all()

    return ThreadPoolExecutor(1).submit(run)


@on_sqlite
@pytest.mark.django_db(transaction=True)
def test_transaction_first_and_notebook_first_do_not_wait_for_each_other(notebook, by):
    """Django's admin begins like this: its form opens a transaction before the notebook is locked."""
    from notesproject.sqlite.base import writers

    def create():
        return client_with_key(OPERATOR_KEY).post(NOTES, {"title": "of a program"}).status_code

    with transaction.atomic():
        created = in_thread(create)
        waiting(writers, 1)
        create_note(notebook, by, title="of a person")

    assert created.result(SECONDS) == 201
    assert set(Note.objects.values_list("title", flat=True)) == {"of a program", "of a person"}


@on_sqlite
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("write", ["statement", "many statements", "transaction"])
def test_every_write_waits_its_turn(notebook, write):
    from notesproject.sqlite.base import writers

    make_key(notebook)
    table = ApiKey._meta.db_table

    def write_it():
        if write == "transaction":
            with transaction.atomic():
                ApiKey.objects.update(name="new")
        elif write == "statement":
            ApiKey.objects.update(name="new")
        else:
            with connection.cursor() as cursor:
                cursor.executemany(f"UPDATE {table} SET name = %s", [["new"]])

    with transaction.atomic():
        written = in_thread(write_it)
        waiting(writers, 1)

    written.result(SECONDS)
    assert ApiKey.objects.get().name == "new"


@on_sqlite
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", ["commit", "rollback", "close"])
def test_the_turn_ends_with_the_transaction_however_it_ends(notebook, how):
    with pytest.raises(ZeroDivisionError) if how == "rollback" else transaction.atomic():
        if how == "rollback":
            with transaction.atomic():
                raise ZeroDivisionError
        if how == "close":
            connection.close()

    assert in_thread(lambda: ApiKey.objects.update(name="new")).result(SECONDS) == 0


@on_sqlite
@pytest.mark.django_db(transaction=True)
def test_a_reader_waits_for_no_turn(note):
    with transaction.atomic():
        assert in_thread(Note.objects.count).result(SECONDS) == 1


# Writers in other processes


@on_sqlite
@pytest.mark.django_db
def test_long_work_pauses_after_each_part_for_other_processes(notebook, by, monkeypatch):
    create_notes(notebook, by, [{"title": f"{number}"} for number in range(6)])
    monkeypatch.setattr(rebuild_search, "CHUNK_NOTES", 2)
    clock, rests = itertools.count(), []
    monkeypatch.setattr(databases, "time", SimpleNamespace(monotonic=lambda: next(clock), sleep=rests.append))

    call_command("rebuild_search", stdout=StringIO())

    # There are three parts and a look for a fourth. By this clock each took a second.
    assert rests == [0.5] * 4


# What another process does that has much to write and never rests.
BUSY = """
import time, django
django.setup()
from django.db import transaction
print("begins", flush=True)
while True:
    with transaction.atomic():
        time.sleep(0.02)
"""


@contextmanager
def a_process_that_writes_all_the_time():
    command = [sys.executable, "-c", BUSY]
    with subprocess.Popen(command, cwd=PROJECT, env=process_environment(), stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


@pytest.mark.prove
@on_sqlite
@pytest.mark.django_db(transaction=True)
def test_a_process_that_never_rests_lets_another_one_write(notebook, by):
    waits = []
    with a_process_that_writes_all_the_time():
        for number in range(20):
            # By then the other one is at it again.
            time.sleep(0.03)
            began = time.monotonic()
            create_note(notebook, by, title=f"{number}")
            waits.append(time.monotonic() - began)

    # Each waits for one transaction of the other process, which takes 20 ms.
    assert sum(waits) < 20 * 0.1, waits


def head_of_queue():
    return Head(f"{databases.file_of(connection.settings_dict)}-head")


@on_sqlite
@pytest.mark.django_db(transaction=True)
def test_whoever_may_not_wait_is_told_at_once_that_another_process_is_next(notebook):
    other = head_of_queue()
    assert other.take(deadline=0)

    with pytest.raises(TooManyWriters), databases.without_waiting(), transaction.atomic():
        pass

    other.close()
    with databases.without_waiting(), transaction.atomic():
        pass


@on_sqlite
@pytest.mark.django_db(transaction=True)
def test_nobody_is_at_the_head_while_somebody_writes(notebook):
    """Otherwise the next process could not come to the head, and whoever has just written would overtake it."""
    other = head_of_queue()

    with transaction.atomic():
        assert other.take(deadline=0)

    other.close()


@on_sqlite
def test_a_killed_process_loses_the_head(tmp_path):
    path = str(tmp_path / "head")
    command = f"from notesproject.sqlite.head import Head; print(Head({path!r}).take(0), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", command], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"True\n"
        assert Head(path).take(deadline=0) is False
        process.kill()

    assert Head(path).take(deadline=0) is True


@on_sqlite
def test_where_the_file_cannot_be_made_there_is_no_queue(tmp_path):
    one, two = Head(str(tmp_path)), Head(str(tmp_path / "missing" / "head"))

    assert [head.take(deadline=0) for head in (one, two)] == [True, True]
    one.give_back()
    two.close()


# Readers, while writers wait


@contextmanager
def somebody_writes():
    """Hold the lock that every writer of the notebook needs, as another process does."""
    if connection.vendor == "sqlite":
        other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
    else:
        other = connections.create_connection("default")
        other.set_autocommit(False)
        other.cursor().execute("SELECT id FROM notes_notebook FOR UPDATE")
        yield
        other.rollback()
    other.close()


@pytest.mark.django_db(transaction=True)
def test_waiting_writers_hold_up_no_reader_and_no_health_check(notebook):
    def create(url, number):
        with Connection(url) as client:
            return client.send("POST", NOTES, {"title": f"Note {number}"}).status

    with serving() as server, ThreadPoolExecutor(MORE_THAN_WORK_AT_A_TIME) as threads:
        with somebody_writes():
            created = [threads.submit(create, server.url, number) for number in range(MORE_THAN_WORK_AT_A_TIME)]
            with Connection(server.url) as reader:
                for _ in range(20):
                    assert reader.send("GET", NOTES).status == 200
                    assert reader.send("GET", "/healthz").status == 200
            assert not any(create.done() for create in created)
        statuses = [create.result(SECONDS) for create in created]

    assert statuses == [201] * MORE_THAN_WORK_AT_A_TIME


# `manage.py serve`, but a write gives up waiting for its place sooner.
IMPATIENT = """
import sys
import django
django.setup()
from django.core.management import call_command
from notesproject import rsgi
rsgi.WRITE_PATIENCE_SECONDS = 0.5
call_command("serve", port=int(sys.argv[1]), processes=1)
"""


@pytest.mark.django_db(transaction=True)
def test_a_writer_that_gets_no_place_in_time_is_told_when_to_come_again(notebook):
    def create(url):
        with Connection(url) as client:
            return client.send("POST", NOTES, {"title": "New"})

    with running("-c", IMPATIENT, "{port}") as server, ThreadPoolExecutor(MORE_THAN_WORK_AT_A_TIME) as threads:
        with somebody_writes():
            answers = [threads.submit(create, server.url) for _ in range(MORE_THAN_WORK_AT_A_TIME)]
            # The few that have a place wait for the database.
            refused = [answer.result() for answer in itertools.islice(as_completed(answers, SECONDS), 20)]
        statuses = [answer.result(SECONDS).status for answer in answers]

    for answer in refused:
        assert (answer.status, answer.json()["code"]) == (503, "overloaded")
        assert int(answer.headers["retry-after"]) > 0
    assert 0 < Note.objects.count() == statuses.count(201) <= MORE_THAN_WORK_AT_A_TIME - 20


@pytest.mark.prove
@pytest.mark.django_db(transaction=True)
def test_a_writer_that_has_waited_too_long_is_told_when_to_come_again(notebook):
    with serving() as server, somebody_writes(), Connection(server.url) as client:
        answer = client.send("POST", NOTES, {"title": "New"})

    assert (answer.status, answer.json()["code"]) == (503, "database_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert "Nothing was stored" in answer.json()["detail"]
    assert not Note.objects.exists()
