"""What clients do to a server: scenarios that make requests, in the words of the service and in those of its peers."""

import http.client
import itertools
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from tests.keys import OPERATOR_KEY

FEW = 20
PAGE = 50
WRITES = 20_000
WRITE = 1 / 1.5  # On PostgreSQL a write may cost half as much again as the peer's.
KEY = {"X-API-Key": OPERATOR_KEY}
JSON = {"Content-Type": "application/json"}
FAR_FUTURE = datetime(2100, 1, 1, tzinfo=UTC)


class Client:
    """Makes requests for one server: (method, address, headers, body). No two rounds send the same text."""

    def __init__(self, material, port, round):
        self.material = material
        self.port = port
        self.chance = random.Random(f"{material['size']} {round}")
        self.numbers = itertools.count(round * 1_000_000)
        notes = list(material["notes"])
        self.chance.shuffle(notes)
        # Those that are asked for again and again are not among those that are asked for once.
        self.few, self.others = notes[:FEW], notes[FEW:]

    def send(self, request):
        """Return (status, headers, body) of the answer."""
        method, address, headers, body = request
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, address, body or None, headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def get(self, address, **headers):
        return "GET", address, headers, ""

    def write(self, method, address, **fields):
        return method, address, KEY | JSON, json.dumps(fields)

    def text(self):
        title, body = self.chance.choice(self.material["texts"])
        number = next(self.numbers)
        return {"title": f"{title} {number}", "body": f"{body} {number}"}

    def many(self):
        return itertools.islice(itertools.cycle(self.others), WRITES)

    def create(self):
        return self.write("POST", self.notes, **self.text())

    def first_page(self):
        return self.get(f"{self.notes}?limit={PAGE}")

    def search(self, word):
        return self.get(f"{self.notes}?{urlencode({'q': word, 'limit': PAGE})}")


class Peer(Client):
    notes = "/notes"

    def note(self, note):
        return f"/notes/{self.material['size'] - note['rank']}"

    def other_first_pages(self):
        # They keep no answers, so that there is nothing to tell a first time from a second.
        return [self.first_page()] * WRITES

    def deep_page(self, note):
        # The one that counts its pages by number takes `page`.
        return self.get(f"/notes?limit={PAGE}&offset={note['rank']}&page={note['rank'] // PAGE + 1}")

    def replace(self, note):
        return self.write("PUT", self.note(note), **self.text())


class Ours(Client):
    notes = "/api/v1/notes"

    def note(self, note):
        return f"{self.notes}/{note['uuid']}"

    def other_first_pages(self):
        # The first page under addresses that nobody has asked for: the notes created before a moment yet to come.
        moments = (FAR_FUTURE + timedelta(seconds=next(self.numbers)) for _ in range(WRITES))
        return [self.get(f"{self.notes}?limit={PAGE}&created_before={moment:%Y-%m-%dT%H:%M:%SZ}") for moment in moments]

    def deep_page(self, note):
        return self.get(f"{self.notes}?{urlencode({'limit': PAGE, 'cursor': note['cursor']})}")

    def edit(self, note):
        return self.write("PATCH", self.note(note), body=self.text()["body"])

    def replace(self, note):
        return self.write("PUT", self.note(note), **self.text())

    def unchanged(self, address):
        _, headers, _ = self.send(self.get(address))
        return self.get(address, **{"If-None-Match": headers["ETag"]})

    def poll(self):
        _, _, body = self.send(self.create())
        return self.get(f"/api/v1/changes?since={json.loads(body)['revision']}")

    def batch(self):
        operations = [{"op": "create", **self.text()} for _ in range(100)]
        return self.write("POST", "/api/v1/batch", operations=operations)


@dataclass(frozen=True)
class Scenario:
    """`beside` names the scenario of the article's service that this one is compared with.

    `least`, `aim` and `on_postgresql` say how many times cheaper it shall be. A scenario that does not repeat never
    sends a request twice. One that waits is answered to its last request, as its requests may be slow.
    """

    requests: Callable
    beside: str = ""
    least: float | None = None
    aim: float | None = None
    on_postgresql: float | None = 1
    status: int = 200
    repeats: bool = True
    waits: bool = False
    for_peers: bool = True


def mix(client):
    requests = [client.first_page() for _ in range(900)] + [client.create() for _ in range(100)]
    client.chance.shuffle(requests)
    return [client.first_page(), *requests]


def searches(client):
    words = client.material["words"]
    return [client.search(word) for word in client.chance.sample(words, len(words))]


def deep_pages(client):
    return [client.deep_page(note) for note in client.others if note["rank"] + PAGE < client.material["size"]]


SCENARIOS = {
    "get": Scenario(
        lambda client: [client.get(client.note(note)) for note in client.others], "get", 1, 1.5, repeats=False
    ),
    "get again": Scenario(
        lambda client: [client.get(client.note(note)) for note in client.few], "get", 5, 10, for_peers=False
    ),
    "note, 304": Scenario(
        lambda client: [client.unchanged(client.note(note)) for note in client.few],
        *("get", 5, 10),
        status=304,
        for_peers=False,
    ),
    "first page": Scenario(lambda client: client.other_first_pages(), "first page", 0.8, 1.5, repeats=False),
    "first page again": Scenario(lambda client: [client.first_page()], "first page", 5, 10, for_peers=False),
    "list, 304": Scenario(
        lambda client: [client.unchanged(client.first_page()[1])], "first page", 5, 10, status=304, for_peers=False
    ),
    "deep page": Scenario(deep_pages, "first page", 0.8, 1.5, repeats=False),
    "changes, none": Scenario(lambda client: [client.poll()], "get", 5, 10, for_peers=False),
    "create": Scenario(lambda client: [client.create() for _ in range(WRITES)], "create", 0.8, 1.5, WRITE, status=201),
    "edit": Scenario(
        lambda client: [client.edit(note) for note in client.many()], "replace", 0.6, 1.2, WRITE, for_peers=False
    ),
    "replace": Scenario(lambda client: [client.replace(note) for note in client.many()], "replace", 0.6, 1.2, WRITE),
    "90% list, 10% create": Scenario(mix, "90% list, 10% create", 1.5, 3),
    "search": Scenario(searches, "get", 0.5, 1, None, repeats=False, waits=True),
    "batch of 100": Scenario(
        lambda client: [client.batch() for _ in range(50)], "get", 1 / 120, 1 / 60, None, waits=True, for_peers=False
    ),
}
