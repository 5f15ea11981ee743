"""The examples in the OpenAPI document were recorded. Here the service gives the same answers again."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.core.cache import cache
from django.db import OperationalError
from django.utils import timezone
from rest_framework.test import APIClient

from notes import keys
from notes.api.codes import CODES
from notes.api.schema import EXAMPLES
from notes.door import Door
from notes.models import ApiKey, Notebook, TagRename
from tests.people import client_with_key, make_key

pytestmark = [pytest.mark.once, pytest.mark.django_db]

# Answered where no operation is reached.
ELSEWHERE = {"bad_request", "https_required", "length_required", "method_not_allowed", "overloaded"}
ELSEWHERE |= {"request_timeout", "request_too_large", "unavailable"}

NOTES = "/api/v1/notes"
START = datetime(2026, 11, 24, 9, tzinfo=UTC)
EPOCH = "421ea4eb-5e4a-4c1d-9c53-2f9d3a1b7c60"
REQUEST_ID = "01a20f2d-0f60-7b11-9f2e-778899aabbcc"
NOTE, OTHER, PURGED, MISSING = (f"01a20f1b-115c-77ba-b6c6-96feb1353a{number}" for number in range(95, 99))
KEY = "01a20f2c-4d5e-7a6b-8c7d-112233445566"


@pytest.fixture
def clock(notebook, monkeypatch, settings):
    """The clock of a service that answers the same in every run. It stands still until `clock.now` is set."""
    Notebook.objects.filter(pk=notebook.pk).update(epoch=EPOCH)
    settings.ALLOWED_HOSTS = ["notes.example.org"]
    clock = SimpleNamespace(now=START)
    monkeypatch.setattr(timezone, "now", lambda: clock.now)
    monkeypatch.setattr("notes.api.throttling.time", SimpleNamespace(time=START.timestamp))
    return clock


def named(client):
    """Let the client call the host of the examples, and name its requests."""
    client.defaults.update(SERVER_NAME="notes.example.org", HTTP_X_REQUEST_ID=REQUEST_ID)
    client.raise_request_exception = False
    return client


def recorded_operations(client, clock):
    """Send each operation, as somebody with a shopping list might, and return {operation: {"request", "answer"}}."""
    examples = {}
    # {what came out by chance: what is shown in its place}
    shown = {}

    def settled(body):
        text = json.dumps(body)
        for chance, instead in shown.items():
            text = text.replace(chance, instead)
        return json.loads(text)

    def send(operation, body=None, *, note=None, headers=None, number=None, **params):
        clock.now += timedelta(minutes=1)
        method, _, path = operation.partition(" ")
        path, text = path.format(id=note, number=number), "" if body is None else json.dumps(body)
        answer = client.generic(method, path, text, "application/json", query_params=params or None, headers=headers)
        assert answer.status_code < 300, answer.content
        parts = {"request": body, "answer": json.loads(answer.content or "null")}
        examples[operation] = lambda: {name: settled(part) for name, part in parts.items() if part is not None}
        return parts["answer"]

    shopping = {"title": "Shopping list", "body": "- milk\n- bread\n", "tags": ["home"]}
    shopping["metadata"] = {"shop": "Corner", "done": False}
    note = send(f"POST {NOTES}", shopping)["id"]
    shown[note] = NOTE
    send(f"GET {NOTES}", q="milk")
    by_id = f"{NOTES}/{{id}}"
    send(f"GET {by_id}", note=note)
    changes = {"tags": ["home", "weekend"], "metadata": {"done": True, "shop": None}}
    send(f"PATCH {by_id}", changes, note=note, headers={"If-Match": '"1-421ea4eb"'})
    send(f"PUT {by_id}", {**shopping, "body": "- oat milk\n- bread\n"}, note=note)
    send(f"POST {by_id}/append", {"text": "- butter\n"}, note=note)
    send(f"POST {by_id}/prepend", {"text": "For Saturday:\n"}, note=note)
    send(f"POST {by_id}/replace", {"find": "bread", "replace": "rye bread"}, note=note)
    send(f"GET {by_id}/revisions", note=note)
    send(f"GET {by_id}/revisions/{{number}}", note=note, number=6, diff=3)
    send(f"POST {by_id}/revisions/{{number}}/restore", note=note, number=3)
    send(f"DELETE {by_id}", note=note)
    send("GET /api/v1/trash")
    send(f"POST {by_id}/restore", note=note)
    writes = [
        {"op": "create", "id": OTHER, "title": "Plan", "body": "Call the printer.\n", "tags": ["work"]},
        {"op": "patch", "id": note, "if_match": "9-421ea4eb", "title": "Shopping list for Saturday"},
        {"op": "append", "id": OTHER, "text": "Then the post office.\n"},
    ]
    send("POST /api/v1/batch", {"operations": writes})
    send("GET /api/v1/tags")
    send("POST /api/v1/tags/rename", {"tag": "home", "name": "household"})
    client.delete(f"{NOTES}/{OTHER}")
    send("GET /api/v1/changes", since=10, epoch=EPOCH)
    send("DELETE /api/v1/trash/{id}", note=OTHER)
    key = send("POST /api/v1/keys", {"name": "phone", "level": "write", "expires_at": "2027-01-31T00:00:00Z"})
    ApiKey.objects.update(created_at=clock.now)
    shown |= {key["id"]: KEY, key["key"]: "notes_…", key["created_at"]: f"{clock.now:%Y-%m-%dT%H:%M:%SZ}"}
    send("GET /api/v1/keys")
    send("DELETE /api/v1/keys/{id}", note=key["id"])
    send("GET /api/v1/me")
    return {operation: example() for operation, example in examples.items()}


def recorded_errors(client, notebook, settings, monkeypatch):
    """Go wrong in every way that operations know. Return {code: the body of the answer}."""
    plan = {"title": "Plan"}
    client.post(NOTES, {"id": NOTE, **plan, "body": "Call the printer.\n"})
    client.put(f"{NOTES}/{PURGED}", plan, headers={"If-None-Match": "*", "Idempotency-Key": "one"})
    client.delete(f"{NOTES}/{PURGED}")
    client.delete(f"/api/v1/trash/{PURGED}")

    def get_with(key):
        return named(client_with_key(key)).get(NOTES)

    answers = [
        client.post(NOTES, {"title": "", "colour": "red"}),
        client.generic("POST", NOTES, '{"title": "Plan"', "application/json"),
        named(APIClient()).post(NOTES, plan),
        get_with("notes_mistyped"),
        get_with(keys.generate()),
        get_with(make_key(notebook, revoked_at=START)[1]),
        get_with(make_key(notebook, expires_at=START)[1]),
        named(client_with_key(make_key(notebook, "read")[1])).post(NOTES, plan),
        client.get(f"{NOTES}/{MISSING}"),
        client.get(NOTES, headers={"Accept": "image/png"}),
        client.post(NOTES, {"id": NOTE, **plan}),
        client.post(f"{NOTES}/{NOTE}/replace", {"find": "bank", "replace": "post office"}),
        client.put(f"{NOTES}/{PURGED}", plan, headers={"If-None-Match": "*", "Idempotency-Key": "one"}),
        client.get("/api/v1/changes", {"since": 1_000_000}),
        client.patch(f"{NOTES}/{NOTE}", plan, headers={"If-Match": '"41-421ea4eb"'}),
        client.generic("POST", NOTES, "title\nPlan\n", "text/csv"),
        client.post(NOTES, plan, headers={"Idempotency-Key": "one"}),
    ]
    running = TagRename.objects.create(notebook=notebook, old="home", new="household", writer="x", writer_name="x")
    answers.append(client.post("/api/v1/tags/rename", {"tag": "work", "name": "job"}))
    running.delete()
    with monkeypatch.context() as patch:
        patch.setattr(settings, "NOTES_REQUIRE_IF_MATCH", True)
        answers.append(client.patch(f"{NOTES}/{NOTE}", plan))
    full = OperationalError()
    full.sqlstate = "53100"
    for error in (RuntimeError, OperationalError, full):
        with monkeypatch.context() as patch:
            patch.setattr(Door, "create", raising(error))
            answers.append(client.post(NOTES, plan))
    cache.clear()
    settings.NOTES_RATE_READS = (1, 86_400)
    answers += [client.get(NOTES), client.get(NOTES)][1:]
    return {answer.json()["code"]: answer.json() for answer in answers}


def raising(error):
    def verb(*args, **kwargs):
        raise error

    return verb


def test_the_examples_are_what_the_service_answers(operator, notebook, clock, settings, monkeypatch, tmp_path):
    client = named(operator)
    operations = recorded_operations(client, clock)
    errors = recorded_errors(client, notebook, settings, monkeypatch)

    recorded = tmp_path / EXAMPLES.name
    recorded.write_text(json.dumps({"operations": operations, "errors": errors}, ensure_ascii=False, indent=2) + "\n")

    # If this fails, read the difference, copy the recorded file over the other one, and run `make openapi`.
    assert recorded.read_text() == EXAMPLES.read_text(), f"recorded: {recorded}"
    assert set(errors) == set(CODES) - ELSEWHERE
