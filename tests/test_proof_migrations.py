"""An upgrade beside the version before: how long its reads and writes have to wait while each migration runs.

It migrates 100,000 notes. For a million: MANY_NOTES=1000000 python -m pytest -m prove -s <this file>
"""

import itertools
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
from django.db import DatabaseError, connection, connections, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.utils import ConnectionHandler
from django.utils import timezone

from notesproject.environment import database
from tests.postgres import cluster
from tests.server import PROJECT, process_environment

MANY = int(os.environ.get("MANY_NOTES", "100000"))
# That of the databases in tests/fixtures/.
OLD = "0002_search"
FIRST, *LATER = sorted(name for app, name in MigrationLoader(None).disk_migrations if app == "notes" and name >= OLD)
# From here on an upgrade is one without a stop: nobody may be refused. docs/operation.md has the figures of the others.
WITHOUT_A_STOP = [name for name in LATER if name >= "0010"]
# A write waits this long before it is a 503.
PATIENCE_SECONDS = 5

COPY = """
    INSERT INTO notes_note (uuid, revision, position, notebook_id, title, body, tags, created_at, updated_at)
    SELECT {new_id}, revision + {count}, position + {count}, notebook_id, title, body, tags, created_at, updated_at
    FROM notes_note WHERE revision <= {rest}
"""
NEW_ID = {"sqlite": "lower(hex(randomblob(16)))", "postgresql": "gen_random_uuid()"}
LOG = """
    INSERT INTO notes_revision (note_id, notebook_id, number, action, changed, title, body, tags, updated_at,
                                written_at, writer, writer_name, request_id)
    SELECT id, notebook_id, revision, 'create', '[]', title, body, tags, updated_at, updated_at, 'key', '', ''
    FROM notes_note
"""
RECEIPTS = """
    INSERT INTO notes_receipt (notebook_id, writer, key, request_digest, outcomes, written_at)
    SELECT notebook_id, 'key', CAST(revision AS text), 'a digest', '[]', updated_at
    FROM notes_note WHERE revision % 10 = 0
"""

pytestmark = pytest.mark.prove


@pytest.fixture
def url(tmp_path, django_db_blocker):
    """The URL of an empty database. Django's connection leads to it."""
    with django_db_blocker.unblock():
        if connection.vendor == "sqlite":
            yield f"sqlite:///{tmp_path / 'notes.sqlite3'}"
        else:
            with cluster() as server:
                yield server.url


@contextmanager
def connected(url):
    """Let Django's connection of this thread lead to this database."""
    tests_own = connections["default"]
    connections["default"] = ConnectionHandler({"default": database(url)})["default"]
    try:
        yield
    finally:
        connection.close()
        connections["default"] = tests_own


def run(url, *command, **options):
    """Run a command of manage.py in a process of its own, as an upgrade does."""
    environment = process_environment() | {"DATABASE_URL": url}
    command = [sys.executable, "manage.py", *command]
    return subprocess.run(command, cwd=PROJECT, env=environment, check=True, capture_output=True, **options)


def migrate_to(url, name):
    run(url, "migrate", "--verbosity=0", "notes", name)


class OldCode:
    """Reads or writes again and again, by the columns of the version before."""

    def __init__(self):
        self.apps = MigrationLoader(None).project_state(("notes", OLD)).apps
        self.notebook, self.note, self.revision = (
            self.apps.get_model("notes", name) for name in ("Notebook", "Note", "Revision")
        )
        self.forget()

    def forget(self):
        self.longest, self.refused = Counter(), Counter()

    def fill(self, many):
        """Make one note, and copy all that there are until there are many."""
        self.home, now = self.notebook.objects.get(name="default"), timezone.now()
        content = {"title": "A note of the version before", "body": "some words of a note " * 15, "tags": ["work"]}
        dates = {"created_at": now, "updated_at": now}
        self.note.objects.create(notebook=self.home, revision=1, position=1, **dates, **content)
        count = 1
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET statement_timeout = 0")
            while count < many:
                cursor.execute(COPY.format(count=count, rest=many - count, new_id=NEW_ID[connection.vendor]))
                count += min(count, many - count)
            cursor.execute(LOG)
            cursor.execute(RECEIPTS)
        self.notebook.objects.update(revision=many)

    def row_of(self, note):
        content = {name: getattr(note, name) for name in ("title", "body", "tags", "updated_at", "notebook")}
        return self.revision(note=note, number=note.revision, action="edit", writer="key", writer_name="", **content)

    def read(self):
        list(self.note.objects.filter(notebook=self.home, deleted_at=None).order_by("-position")[:20])

    def write(self):
        with transaction.atomic():
            self.home = self.notebook.objects.select_for_update().get(pk=self.home.pk)
            self.home.revision += 1
            self.home.save(update_fields=["revision"])
            note = self.note.objects.get(position=random.randint(1, MANY))
            note.title, note.revision = f"Edited {self.home.revision}", self.home.revision
            note.save(update_fields=["title", "revision"])
            self.row_of(note).save()

    def work_until(self, over, url, verb):
        with connected(url):
            while not over.is_set():
                started = time.monotonic()
                try:
                    getattr(self, verb)()
                except DatabaseError:
                    self.refused[verb] += 1
                self.longest[verb] = max(self.longest[verb], time.monotonic() - started)
                # As a client does. Otherwise the processor would be busy with nothing else.
                time.sleep(0.02)


def test_the_version_before_goes_on_while_each_migration_runs(url):
    old_code, over, verbs = OldCode(), threading.Event(), ("read", "write")
    migrate_to(url, FIRST)
    with connected(url):
        old_code.fill(MANY)
    stopped = []

    with ThreadPoolExecutor(len(verbs)) as threads:
        working = [threads.submit(old_code.work_until, over, url, verb) for verb in verbs]
        try:
            print(f"\n{MANY} notes: seconds, the longest read, the longest write, refused")
            for name in LATER:
                old_code.forget()
                started = time.monotonic()
                migrate_to(url, name)
                seconds = time.monotonic() - started
                waits = " ".join(f"{old_code.longest[verb]:8.2f}" for verb in verbs)
                print(f"{name:32} {seconds:8.2f} {waits}  {dict(old_code.refused)}", flush=True)
                if old_code.refused or max(old_code.longest.values()) > PATIENCE_SECONDS:
                    stopped.append(name)
        finally:
            over.set()
    for thread in working:
        thread.result()

    assert set(stopped) & set(WITHOUT_A_STOP) == set()


def test_an_upgrade_that_is_killed_again_and_again_ends_whole(url):
    migrate_to(url, FIRST)
    with connected(url):
        OldCode().fill(5_000)

    # kill -9, each time a little later.
    for kills in itertools.count():
        with suppress(subprocess.TimeoutExpired):
            run(url, "migrate", "--verbosity=0", timeout=1 + kills)
            break
    print(f"killed {kills} times")

    run(url, "rebuild_search")
    run(url, "rebuild_search", "--counts")
    run(url, "verify_notebook")
