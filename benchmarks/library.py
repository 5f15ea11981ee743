"""Notebooks of any size for the benchmarks: notes with natural word frequencies, in databases of their own."""

import itertools
import logging
import os
import random
import resource
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import django
from tqdm import tqdm

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, connections  # noqa: E402
from django.db.utils import ConnectionHandler  # noqa: E402

from notes import (  # noqa: E402
    importing,
    markdown,
)
from notes.models import Notebook, Writer  # noqa: E402

# Otherwise a log line for each request would stand between the figures.
logging.disable(logging.INFO)

VOCABULARY = 200_000
# Words of the vocabulary follow Zipf's law. These are planted in addition: one note in so many has them.
PLANTED = {"rareword": 50_000, "middleword": 1_000, "commonword": 3, "othercommon": 3}
FIRST_DAY = datetime(2015, 1, 1, tzinfo=UTC)
SECONDS_BETWEEN_NOTES = 315  # A million notes in ten years.
BATCH = 10_000
WORDS = (60, 160)  # How many a note has.
BY = Writer(id="command:benchmark", name="benchmark")


def note_files(count, length=WORDS):
    """Yield notes, as an import reads them from files. Every run yields the same notes."""
    chance = random.Random(1)
    words, weights = vocabulary(chance)
    moment = FIRST_DAY
    for number in range(count):
        moment += timedelta(seconds=chance.expovariate(1 / SECONDS_BETWEEN_NOTES))
        body = chance.choices(words, cum_weights=weights, k=chance.randint(*length))
        title = chance.choices(words, cum_weights=weights, k=chance.randint(2, 7))
        for word, one_in in PLANTED.items():
            if chance.random() * one_in < 1:
                body[chance.randrange(len(body))] = word
                if chance.random() < 0.02:
                    title[0] = word
        yield markdown.NoteFile(
            path=f"{number}.md",
            title=" ".join(title).capitalize(),
            body=" ".join(body),
            tags=["work"] if chance.random() < 0.1 else [],
            metadata={},
            created_at=moment,
            updated_at=moment + timedelta(seconds=chance.expovariate(1 / 86_400)),
        )


def vocabulary(chance):
    """Return (made-up words, the frequent ones short; their cumulative weights)."""
    syllables = [first + last for first in "bcdfghjklmnprstvwz" for last in ("a", "e", "i", "o", "u", "an", "er", "in")]
    words = {}
    while len(words) < VOCABULARY:
        length = 1 + min(4, int(len(words) ** 0.2 * chance.uniform(0.4, 1.2)))
        words["".join(chance.choices(syllables, k=length))] = None
    return list(words), list(itertools.accumulate(1 / (rank + 2.7) ** 1.05 for rank in range(VOCABULARY)))


@contextmanager
def databases(folder, sizes, *, keep, length=WORDS):
    """Yield {size: connection} of databases with that many notes. Remove them afterwards unless they are to be kept."""
    made, first = {}, connections["default"]
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
    temporary = None if keep else tempfile.mkdtemp(prefix="notes-benchmark-", dir=folder)
    try:
        for size in sizes:
            made[size] = open_database(Path(temporary or folder), size)
            use(made[size])
            fill(size, length)
        yield made
    finally:
        for one in made.values():
            one.close()
        use(first)
        if temporary:
            shutil.rmtree(temporary)
            if connection.vendor == "postgresql":
                for one in made.values():
                    execute(f"DROP DATABASE {one.settings_dict['NAME']}")
        connection.close()


def open_database(folder, size):
    config = {**settings.DATABASES["default"], "CONN_MAX_AGE": None}
    if connection.vendor == "sqlite":
        config["NAME"] = (folder.resolve() / f"{size}.sqlite3").as_uri() + "?mode=rwc"
    else:
        config["NAME"] = f"notes_benchmark_{size}"
        with suppress(django.db.utils.ProgrammingError):
            # A kept database is there already.
            execute(f"CREATE DATABASE {config['NAME']}")
    return ConnectionHandler({"default": config})["default"]


def use(database):
    """Make the product work on this database from here on."""
    connections["default"] = database


def execute(statement):
    use(ConnectionHandler({"default": settings.DATABASES["default"]})["default"])
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


def fill(size, length):
    """Import the notes as `import_notes` does, and say how fast that was, without the time to make them up."""
    call_command("migrate", verbosity=0)
    notebook = Notebook.objects.default()
    if notebook.notes.count() == size:
        return
    seconds = processor = 0
    peaks = []
    files = note_files(size, length)
    with tqdm(total=size, unit=" notes", disable=None) as bar:
        while batch := list(itertools.islice(files, BATCH)):
            began, began_processor = time.perf_counter(), time.process_time()
            for outcomes in importing.import_files(notebook, BY, batch):
                bar.update(len(outcomes))
            seconds += time.perf_counter() - began
            processor += time.process_time() - began_processor
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    if connection.vendor == "postgresql":
        # Autovacuum does this sooner or later.
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("RESET statement_timeout")
    print(
        f"import of {size:,} notes: {size / seconds:,.0f} notes/s, {size / processor:,.0f} per second of our CPU time; "
        f"peak memory {peaks[0]} MB after the first {min(size, BATCH):,} notes, {peaks[-1]} MB after the last",
        flush=True,
    )
