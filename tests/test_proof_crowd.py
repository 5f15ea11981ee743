"""Safe to race: many clients do everything at once, and none is refused because another one writes."""

import random
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from notes import verification
from tests.server import serving
from tests.wire import Connection

NOTES = "/api/v1/notes"
CLIENTS = 16
NOTES_WRITTEN_TO = 6
REQUESTS_OF_EACH = 250
TAGS = ["work", "Work", "home", "straße", "STRASSE", "é", "e\u0301"]


@pytest.mark.prove
@pytest.mark.django_db(transaction=True)
def test_no_request_fails_while_16_clients_do_everything_at_once(notebook):
    ids = [str(uuid.uuid4()) for _ in range(NOTES_WRITTEN_TO)]

    with serving() as server, ThreadPoolExecutor(CLIENTS) as threads:
        statuses = threads.map(lambda seed: crowd(server.url, ids, random.Random(seed)), range(CLIENTS))
        seen = set().union(*statuses)

    assert seen == {200, 201, 204, 404, 409, 412, 422}
    assert list(verification.problems(notebook)) == []


def crowd(url, ids, chance):
    """Send requests chosen by chance, one after the other; return their statuses."""
    statuses = set()
    with Connection(url) as connection:
        for _ in range(REQUESTS_OF_EACH):
            if chance.random() < 0.2:
                statuses |= use_a_key_of_its_own(connection)
                continue
            method, path, fields = chance.choice(requests_about(chance.choice(ids), chance))
            headers = {}
            if method != "GET" and chance.random() < 0.3:
                headers["Idempotency-Key"] = f"key-{chance.randrange(40)}"
            if path.startswith(f"{NOTES}/") and chance.random() < 0.2:
                headers["If-Match"] = chance.choice(["*", '"1"'])
            statuses.add(connection.send(method, path, fields, headers).status)
    return statuses


def requests_about(note_id, chance):
    tags, address = chance.sample(TAGS, 3), f"{NOTES}/{note_id}"
    batch = [
        {"op": "create", "title": "Batch", "tags": tags},
        {"op": "patch", "id": note_id, "tags": tags},
        {"op": "append", "id": note_id, "text": "more "},
    ]
    return [
        ("POST", NOTES, {"id": note_id, "title": "New", "tags": tags}),
        ("PUT", address, {"title": "Replaced", "body": "word " * chance.randrange(20), "tags": tags}),
        ("PATCH", address, {"tags": tags}),
        ("DELETE", address, None),
        ("POST", f"{address}/restore", None),
        ("POST", f"{address}/append", {"text": "word "}),
        ("DELETE", f"/api/v1/trash/{note_id}", None),
        ("POST", "/api/v1/tags/rename", {"tag": tags[0], "name": tags[1]}),
        ("POST", "/api/v1/batch", {"operations": batch[:1]}),
        ("POST", "/api/v1/batch", {"operations": batch}),
        ("GET", f"{NOTES}?q=word", None),
        ("GET", "/api/v1/changes?since=0", None),
    ]


def use_a_key_of_its_own(connection):
    made = connection.send("POST", "/api/v1/keys", {"name": "crowd", "level": "read"})
    assert made.status == 201, made
    key = made.json()
    used = connection.send("GET", "/api/v1/me", headers={"X-API-Key": key["key"]})
    revoked = connection.send("DELETE", f"/api/v1/keys/{key['id']}")
    return {made.status, used.status, revoked.status}
