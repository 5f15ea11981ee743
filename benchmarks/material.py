"""What servers are measured with: python -m benchmarks.material SIZE FOLDER

Fills a database of the service and one of its peers with the same notes. Beside them it leaves a file that says which
ids, cursors, words and texts requests can be made of. Behind `python -m tests.postgres` the databases are PostgreSQL's.
"""

import itertools
import json
import random
import sqlite3
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg

from benchmarks.library import connection, databases, note_files, settings, use  # This sets Django up.

from django.contrib.auth.hashers import PBKDF2PasswordHasher  # isort: skip
from django.contrib.auth.models import User  # isort: skip
from rest_framework.test import APIClient  # isort: skip

from notes.api.pagination import signer  # isort: skip
from notes.models import Notebook  # isort: skip

LENGTH = (35, 85)  # Words: about 550 characters.
PAGE = 50
# No server answers more different requests than that in one run.
MOST_IDS = 60_000
MOST_WORDS = 20_000
RARE = range(1, 21)  # A rare word is in so many notes.
TEXTS = 500
ADMIN = "benchmark"
CHUNK = 10_000


def main(size, folder):
    with databases(folder, [size], keep=True, length=LENGTH) as made:
        use(made[size])
        material = describe(size)
        rows = Notebook.objects.default().notes.order_by("position").values_list("title", "body", "created_at")
        fill_peers(folder, size, rows.iterator(CHUNK))
        make_admin()
    path_of(folder, size).write_text(json.dumps(material))


def path_of(folder, size):
    return Path(folder, f"{connection.vendor}-{size}.json")


def describe(size):
    """Return what requests are made of. A rank says how many notes are newer than a note."""
    chance = random.Random(size)
    notes = Notebook.objects.default().notes
    newest_first = notes.order_by("-position").values_list("uuid", "position", "id")
    ranks = chance.sample(range(size), min(size, MOST_IDS))
    found = dict(enumerate(newest_first.iterator(CHUNK)))
    [cursor] = parse_qs(urlsplit(APIClient().get("/api/v1/notes", {"limit": 1}).json()["next"]).query)["cursor"]
    digest, is_backwards, _ = signer.unsign_object(cursor)
    return {
        "size": size,
        "secret_key": settings.SECRET_KEY,
        "admin": ADMIN,
        "notes": [
            {
                "rank": rank,
                "uuid": str(found[rank][0]),
                "cursor": signer.sign_object([digest, is_backwards, [str(found[rank][1])]]),
                "row": found[rank][2],
            }
            for rank in ranks
        ],
        "words": rare_words(notes, chance),
        "texts": [[file.title, file.body] for file in note_files(TEXTS, LENGTH)],
    }


def rare_words(notes, chance):
    """Return words that few notes have, and that no other word begins with."""
    counts = Counter()
    for title, body in notes.values_list("title", "body").iterator(CHUNK):
        counts.update(set(f"{title} {body}".lower().split()))
    found = [
        word
        for word, following in itertools.pairwise([*sorted(counts), ""])
        if counts[word] in RARE and len(word) >= 6 and not following.startswith(word)
    ]
    return chance.sample(found, min(len(found), MOST_WORDS))


def fill_peers(folder, size, rows):
    """Store the notes, the oldest first, in the one table that all peers have."""
    if connection.vendor == "postgresql":
        copy_to_postgres(size, rows)
        return
    # The index lets them skip to a deep page, and count, without reading the texts.
    path = Path(folder, f"peers-{size}.sqlite3")
    path.unlink(missing_ok=True)
    peers = sqlite3.connect(path)
    with peers:
        peers.execute(
            "CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL, body TEXT NOT NULL,"
            " created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)"
        )
        peers.execute("CREATE INDEX notes_created_at ON notes (created_at)")
        rows = ((title, body, f"{created_at:%Y-%m-%d %H:%M:%S}") for title, body, created_at in rows)
        peers.executemany("INSERT INTO notes (title, body, created_at) VALUES (?, ?, ?)", rows)
    peers.close()


def copy_to_postgres(size, rows):
    ours, name = connection.settings_dict, f"peers_benchmark_{size}"
    server = {"host": ours["HOST"], "user": ours["USER"], "autocommit": True}
    with psycopg.connect(**server, dbname="postgres") as database:
        database.execute(f"CREATE DATABASE {name}")
    with psycopg.connect(**server, dbname=name) as peers:
        peers.execute(
            "CREATE TABLE notes (id bigserial PRIMARY KEY, title text NOT NULL, body text NOT NULL,"
            " created_at timestamptz NOT NULL DEFAULT now())"
        )
        peers.execute("CREATE INDEX notes_created_at ON notes (created_at, id)")
        with peers.cursor().copy("COPY notes (title, body, created_at) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        peers.execute("VACUUM ANALYZE")


def make_admin():
    # The hash is the one that the service reads. The settings of the tests have a quicker one.
    password = PBKDF2PasswordHasher().encode(ADMIN, "salt")
    User.objects.update_or_create(
        username=ADMIN, defaults={"password": password, "is_staff": True, "is_superuser": True}
    )


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), sys.argv[2])
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
