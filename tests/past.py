"""Makes the databases of tests/fixtures/, which later versions must be able to open (see test_upgrade.py).

    python -m tests.past
    python -m tests.postgres python -m tests.past

`make fixtures` runs both, once and right before a release. A database that is there is not made again: it is what the
code of its version wrote.
All data is written through the API and the commands. The description beside each database is what the API then said.
"""

import gzip
import hashlib
import json
import os
import sys
import tempfile
import time
import warnings
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from urllib.parse import urlencode

from tests.keys import OPERATOR_KEY

NOTES = "/api/v1/notes"
IDS = [f"0198f3a0-0000-7000-8000-00000000000{number}" for number in range(8)]
PLAN, CAFE, CJK, EMOJI, TRASHED, PURGED, BATCHED, FAMILY = IDS
SEARCHES = [
    *("plan", "pla", "plan -third", "third", "cafe", "CAFÉ creme", '"zweite Zeile"', "Straße", "garden"),
    *("東京", "京都 寺", "한국어", "ภาษา", "🎉", "list_display", "C++", "secret", "swordfish"),
    *("tag:job", "tag:work", "tag:home", "tag:Wörter/Ä"),
]


class Client:
    """Asks the API in this process, with one key."""

    def __init__(self, key):
        from rest_framework.test import APIClient

        self.api, self.key = APIClient(headers={"Host": "localhost"}), key

    def ask(self, method, path, fields=None, idempotency_key=None):
        """Return (status, content)."""
        headers = {"X-API-Key": self.key}
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        response = self.api.generic(
            method, path, json.dumps(fields) if fields is not None else "", "application/json", headers=headers
        )
        return response.status_code, json.loads(response.content) if response.content else None

    def all_of(self, path):
        """Return all results of a list, page by page."""
        results = []
        while path:
            status, page = self.ask("GET", path)
            assert status == 200, page
            results += page["results"]
            path = page["next"]
        return results


def write_the_past():
    """Fill an empty, migrated database. Return what only the writer knows: keys and receipts."""
    from django.core.management import call_command

    operator = Client(OPERATOR_KEY)
    receipts = []

    def write(method, path, fields=None, *, repeatable=False, client=operator):
        key = f"retry-{len(receipts)}" if repeatable else None
        status, answer = client.ask(method, path, fields, key)
        assert status in {200, 201, 204}, answer
        if repeatable:
            receipts.append(
                {"method": method, "path": path, "fields": fields, "key": key, "status": status, "answer": answer}
            )
        return answer

    plan = f"{NOTES}/{PLAN}"
    write("POST", NOTES, {"id": PLAN, "title": "Plan", "body": "Erste Zeile\n", "tags": ["work"]}, repeatable=True)
    write("PATCH", plan, {"body": "Erste Zeile\nzweite Zeile\n"}, repeatable=True)
    write("POST", f"{plan}/append", {"text": "third line, list_display and C++\n"}, repeatable=True)
    write("POST", f"{plan}/replace", {"find": "Erste", "replace": "1ste"}, repeatable=True)
    metadata = {"author": "Ada", "rating": 4.5, "done": True, "aliases": ["計画"]}
    replaced = {"title": "Plan B", "body": "    kept   byte for byte \r\n", "tags": ["work", "Home"]}
    write("PUT", plan, {**replaced, "metadata": metadata})
    write("POST", f"{plan}/revisions/3/restore", {})
    café = {"id": CAFE, "title": "Café Crème", "body": "Straße, naïve, e\u0301 and é", "tags": ["work", "Wörter/Ä"]}
    write("POST", NOTES, café)
    write("POST", NOTES, {"id": CJK, "title": "旅行", "body": "明日は東京タワー。京都の寺。 한국어 문장. ภาษาไทยง่าย"})
    party = {"id": EMOJI, "title": "🎉👩‍👩‍👧 party", "body": "a line with 🎉\n", "tags": ["Home"]}
    write("POST", NOTES, party, repeatable=True)
    write("POST", NOTES, {"id": TRASHED, "title": "In the trash", "body": "secret until restored", "tags": ["home"]})
    write("DELETE", f"{NOTES}/{TRASHED}", repeatable=True)
    write("POST", NOTES, {"id": PURGED, "title": "swordfish", "body": "swordfish"})
    write("PATCH", f"{NOTES}/{PURGED}", {"title": "swordfish two"})
    write("DELETE", f"{NOTES}/{PURGED}")
    write("DELETE", f"/api/v1/trash/{PURGED}", repeatable=True)
    write("DELETE", f"{NOTES}/{EMOJI}")
    write("POST", f"{NOTES}/{EMOJI}/restore", {}, repeatable=True)
    batch = [
        {"op": "create", "id": BATCHED, "title": "From a batch", "tags": ["work"]},
        {"op": "append", "id": CAFE, "text": "\nmore"},
    ]
    write("POST", "/api/v1/batch", {"operations": batch}, repeatable=True)
    write("POST", "/api/v1/tags/rename", {"tag": "WORK", "name": "Job"}, repeatable=True)

    keys = [{"name": "operator", "text": OPERATOR_KEY, "status": 200, "level": "admin", "notebook": "default"}]

    def make_key(name, level, **fields):
        made = write("POST", "/api/v1/keys", {"name": name, "level": level, **fields})
        keys.append({"name": name, "text": made["key"], "status": 200, "level": level, "notebook": "default"})
        return made["id"]

    for level in ("read", "write", "admin"):
        make_key(f"{level} key", level)
    write("DELETE", f"/api/v1/keys/{make_key('revoked key', 'write')}")
    keys[-1]["status"] = 401
    make_key("expired key", "write", expires_at=(datetime.now(UTC) + timedelta(seconds=1)).isoformat())
    keys[-1]["status"] = 401
    time.sleep(1.1)

    call_command("create_notebook", "family", stdout=StringIO())
    output = StringIO()
    call_command("create_key", "tablet", level="write", notebook="family", stdout=output)
    tablet = output.getvalue().strip()
    keys.append({"name": "tablet", "text": tablet, "status": 200, "level": "write", "notebook": "family"})
    write("POST", NOTES, {"id": FAMILY, "title": "Garden", "body": "Äpfel", "tags": ["Home"]}, client=Client(tablet))
    for key in keys:
        key["digest"] = hashlib.sha256(key["text"].encode()).hexdigest()
    return keys, receipts


def described(key):
    """Return all that the API shows of the notebook that this key opens."""
    client = Client(key)
    _, changes = client.ask("GET", "/api/v1/changes?since=0&limit=200")
    shown = [note["id"] for note in changes["results"]]
    histories = {note_id: client.ask("GET", f"{NOTES}/{note_id}/revisions?limit=200") for note_id in shown}
    return {
        "key": key,
        "notes": client.all_of(f"{NOTES}?limit=3"),
        "trash": client.all_of("/api/v1/trash"),
        "tags": client.all_of("/api/v1/tags"),
        "epoch": changes.pop("epoch"),
        "changes": changes,
        "revisions": {
            note_id: [
                client.ask("GET", f"{NOTES}/{note_id}/revisions/{revision['number']}")[1]
                for revision in history["results"]
            ]
            for note_id, (status, history) in histories.items()
            if status == 200
        },
        "searches": {query: hits(client, query) for query in SEARCHES},
    }


def hits(client, query):
    """Return the ids of the notes that a search finds."""
    status, page = client.ask("GET", f"{NOTES}?{urlencode({'q': query, 'limit': 200})}")
    assert status == 200, page
    return sorted(note["id"] for note in page["results"])


def make(folder):
    from django.core.management import call_command
    from django.db import connection

    description_path = folder / f"{connection.vendor}.json"
    if description_path.exists():
        sys.exit(f"{description_path} is there already.")
    call_command("migrate", verbosity=0)
    keys, receipts = write_the_past()
    notebooks = [described(key["text"]) for key in keys if key["name"] in {"admin key", "tablet"}]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        backup = Path(scratch, "backup")
        call_command("backup", str(backup))
        if connection.vendor == "sqlite":
            connection.close()
            pack(Path(os.environ["DATABASE_URL"].removeprefix("sqlite:///")), folder / "database.sqlite3.gz")
            pack(backup, folder / "backup.sqlite3.gz")
        else:
            (folder / "archive.dump").write_bytes(backup.read_bytes())
    description = {"keys": keys, "receipts": receipts, "notebooks": notebooks, "purged_text": "swordfish"}
    text = json.dumps(description, indent=1, ensure_ascii=False, sort_keys=True)
    description_path.write_text(text + "\n", encoding="utf-8")


def pack(source, target):
    # Empty pages are most of a small database.
    target.write_bytes(gzip.compress(source.read_bytes(), mtime=0))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{scratch}/notes.sqlite3")
        os.environ.update(
            DJANGO_SETTINGS_MODULE="notesproject.settings",
            NOTES_ENV_FILE=os.devnull,
            SECRET_KEY="a secret key for the tests alone",
            API_KEY=OPERATOR_KEY,
            NOTES_LOG_LEVEL="ERROR",
        )
        warnings.simplefilter("ignore")  # WhiteNoise warns that nothing has been collected.
        import django

        django.setup()
        from django.conf import settings

        make(Path(__file__).parent / "fixtures" / settings.PROJECT["version"])
