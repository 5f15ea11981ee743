"""Each backup that is taken while many write is a prefix of the log, and holds what the feed had shown."""

from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from threading import Event

import pytest
from django.core.management import call_command

from notes import backups, verification
from notes.models import Notebook, Revision
from tests.keys import OPERATOR_KEY
from tests.people import client_with_key
from tests.server import serving
from tests.wire import Connection, Follower, following

NOTES = "/api/v1/notes"
WRITERS = 8
BACKUPS = 20
LOG = ["number", "note__uuid", "action", "title", "body", "tags", "metadata", "updated_at", "written_at", "writer"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.prove]


def test_twenty_backups_while_eight_writers_write_are_prefixes_of_the_log(notebook, tmp_path):
    follower, done = Follower(limit=200), Event()
    paths = [tmp_path / str(number) for number in range(BACKUPS)]

    with serving("--processes", "2") as server, ThreadPoolExecutor(WRITERS) as threads:
        with following(server.url, follower):
            writing = [threads.submit(write_until, done, server.url) for _ in range(WRITERS)]
            try:
                for path in paths:
                    call_command("backup", str(path), stdout=StringIO())
            finally:
                done.set()
        for one in writing:
            one.result()
        with Connection(server.url) as connection:
            follower.catch_up(connection)

    log = list(Revision.objects.order_by("number").values_list(*LOG))
    lengths, compared = [], 0
    for path in paths:
        with backups.built_from(path) as name, backups.connected_to(name):
            backup = Notebook.objects.get()
            assert list(verification.problems(backup)) == []
            assert list(Revision.objects.order_by("number").values_list(*LOG)) == log[: backup.revision]
            for row in changes():
                # A note may have changed again before the follower asked.
                shown = follower.seen.get((row["id"], row["revision"]))
                assert shown in (row, None)
                compared += shown is not None
            lengths.append(backup.revision)
    print(f"{BACKUPS} backups of {lengths} writes; {compared} rows were compared with what the feed had shown.")
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[-1]
    assert compared > lengths[-1]


def write_until(done, url):
    with Connection(url) as connection:
        number = 0
        while not done.is_set():
            number += 1
            note = connection.send("POST", NOTES, {"title": f"Note {number}", "tags": ["new"]}).json()
            if number % 2:
                assert connection.send("PATCH", f"{NOTES}/{note['id']}", {"body": "More\n" * 50}).status == 200
            if number % 5 == 0:
                assert connection.send("DELETE", f"{NOTES}/{note['id']}").status == 204


def changes():
    """Return all rows of the feed of the database that Django is connected to."""
    client, since, rows, more = client_with_key(OPERATOR_KEY), 0, [], True
    while more:
        feed = client.get(f"/api/v1/changes?since={since}&limit=200").json()
        rows += feed["results"]
        since, more = feed["revision"], feed["has_more"]
    return rows
