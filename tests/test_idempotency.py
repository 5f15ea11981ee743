"""Safe retry: the same Idempotency-Key, sent again, changes nothing and gets the same answer."""

import json
from datetime import timedelta
from hashlib import sha256
from importlib import import_module

import pytest
from django.apps import apps
from django.core.management import call_command
from django.utils import timezone

from notes.models import Note, Receipt, Revision
from notes.verification import problems

NOTES = "/api/v1/notes"
KEY = {"Idempotency-Key": "0190f1c2-1"}


@pytest.fixture
def url(note):
    return f"{NOTES}/{note.uuid}"


def test_a_repeated_create_makes_one_note(operator):
    first = operator.post(NOTES, {"title": "Plan"}, headers=KEY)
    second = operator.post(NOTES, {"title": "Plan"}, headers=KEY)

    assert second.status_code == 201
    assert second.json() == first.json()
    assert (second["ETag"], second["Location"]) == (first["ETag"], first["Location"])
    assert (first.get("Idempotency-Replayed"), second["Idempotency-Replayed"]) == (None, "true")
    assert Note.objects.count() == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("put", "", {"title": "New"}),
        ("patch", "", {"title": "New"}),
        ("delete", "", None),
        ("post", "/append", {"text": "More"}),
        ("post", "/prepend", {"text": "More"}),
        ("post", "/replace", {"find": "One", "replace": "1"}),
        ("post", "/restore", {}),
    ],
)
def test_every_write_may_be_repeated(operator, url, note, method, path, body):
    if path == "/restore":
        operator.delete(url)
    send = getattr(operator, method)

    first = send(url + path, body, headers=KEY)
    log = Revision.objects.count()
    second = send(url + path, body, headers=KEY)

    assert first.status_code in {200, 204}
    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert second["Idempotency-Replayed"] == "true"
    assert Revision.objects.count() == log


def test_a_repeat_answers_with_what_the_first_did_and_undoes_nothing_since(operator, url):
    first = operator.patch(url, {"title": "Mine"}, headers=KEY)
    operator.patch(url, {"title": "Theirs"})

    second = operator.patch(url, {"title": "Mine"}, headers=KEY)

    assert second.json() == first.json()
    assert operator.get(url).data["title"] == "Theirs"


def test_a_repeat_of_a_write_that_changed_nothing_changes_nothing_either(operator, url):
    first = operator.patch(url, {"title": "Plan"}, headers=KEY)
    operator.patch(url, {"title": "Theirs"})

    second = operator.patch(url, {"title": "Plan"}, headers=KEY)

    assert second.json() == first.json()
    assert operator.get(url).data["title"] == "Theirs"


def test_a_repeat_does_not_revive_a_deleted_note(operator):
    url = operator.post(NOTES, {"title": "Plan"}, headers=KEY)["Location"]
    operator.delete(url)

    assert operator.post(NOTES, {"title": "Plan"}, headers=KEY).status_code == 201
    assert operator.get(url).status_code == 404


def test_a_repeat_does_not_show_what_was_purged(operator):
    created = operator.post(NOTES, {"title": "Secret"}, headers=KEY)
    operator.delete(created["Location"])
    operator.delete(f"/api/v1/trash/{created.data['id']}")

    response = operator.post(NOTES, {"title": "Secret"}, headers=KEY)

    assert (response.status_code, response.json()["code"]) == (410, "no_longer_kept")
    assert Note.objects.count() == 1


def test_a_repeated_delete_of_what_was_purged_since_is_still_a_204(operator, url, note):
    operator.delete(url, headers=KEY)
    operator.delete(f"/api/v1/trash/{note.uuid}", headers={"Idempotency-Key": "purge"})

    again = operator.delete(url, headers=KEY)
    purged_again = operator.delete(f"/api/v1/trash/{note.uuid}", headers={"Idempotency-Key": "purge"})

    for response in (again, purged_again):
        assert (response.status_code, response["Idempotency-Replayed"]) == (204, "true")


@pytest.mark.parametrize("other", ["body", "path", "method", "condition"])
def test_the_same_key_with_another_request_is_a_422(operator, url, other):
    operator.patch(url, {"title": "New"}, headers=KEY)

    response = {
        "body": lambda: operator.patch(url, {"title": "Other"}, headers=KEY),
        "path": lambda: operator.post(NOTES, {"title": "New"}, headers=KEY),
        "method": lambda: operator.put(url, {"title": "New"}, headers=KEY),
        "condition": lambda: operator.patch(url, {"title": "New"}, headers={**KEY, "If-Match": "*"}),
    }[other]()

    assert (response.status_code, response.json()["code"]) == (422, "idempotency_key_reused")
    assert Revision.objects.count() == 2


def test_the_key_belongs_to_whoever_sent_it(operator, staff, notebook):
    operator.post(NOTES, {"title": "Plan"}, headers=KEY)

    response = staff.post(NOTES, {"title": "Plan"}, headers=KEY)

    assert response.get("Idempotency-Replayed") is None
    assert Note.objects.count() == 2


def test_a_refused_request_does_not_use_up_its_key(operator, url):
    refused = operator.patch(url, {"title": ""}, headers=KEY)
    corrected = operator.patch(url, {"title": "New"}, headers=KEY)

    assert (refused.status_code, corrected.status_code) == (400, 200)
    assert Receipt.objects.count() == 1


def test_what_was_purged_cannot_be_guessed_from_its_receipt_without_the_secret_key(operator, settings):
    created = operator.post(NOTES, {"title": "PIN 4711"}, headers=KEY)
    operator.delete(created["Location"])
    operator.delete(f"/api/v1/trash/{created.data['id']}")

    settings.SECRET_KEY = "that of somebody who has a copy of the database"
    guess = operator.post(NOTES, {"title": "PIN 4711"}, headers=KEY)

    assert (guess.status_code, guess.json()["code"]) == (422, "idempotency_key_reused")
    assert "SECRET_KEY" in guess.json()["detail"]


def test_receipts_of_before_are_brought_to_the_new_form(operator):
    operator.post(NOTES, {"title": "Plan"}, headers=KEY)
    old_parts = ["POST", NOTES, None, None, {"title": "Plan"}]
    Receipt.objects.update(request_digest=sha256(json.dumps(old_parts, sort_keys=True).encode()).hexdigest())

    import_module("notes.migrations.0006_receipt_digests").bring_to_the_new_form(apps, None)

    assert operator.post(NOTES, {"title": "Plan"}, headers=KEY)["Idempotency-Replayed"] == "true"
    assert operator.post(NOTES, {"title": "Other"}, headers=KEY).status_code == 422


def test_pruning_forgets_the_keys_of_its_age_and_only_those(operator):
    for key, days in (("old", 366), ("young", 364)):
        operator.post(NOTES, {"title": key}, headers={"Idempotency-Key": key})
        Receipt.objects.filter(key=key).update(written_at=timezone.now() - timedelta(days=days))

    call_command("prune_revisions", "--days=365")
    repeats = {key: operator.post(NOTES, {"title": key}, headers={"Idempotency-Key": key}) for key in ("old", "young")}

    assert {key: repeat.get("Idempotency-Replayed") for key, repeat in repeats.items()} == {
        "old": None,
        "young": "true",
    }
    assert sorted(Note.objects.values_list("title", flat=True)) == ["old", "old", "young"]


@pytest.mark.parametrize(("bare", "quoted"), [("abc", '"abc"'), ("a\\b", '"a\\\\b"')])
def test_a_key_in_quotes_is_the_same_as_the_bare_one(operator, bare, quoted):
    first, second = (
        operator.post(NOTES, {"title": "Plan"}, headers={"Idempotency-Key": key}) for key in (quoted, bare)
    )

    assert second["Idempotency-Replayed"] == "true"
    assert second.json() == first.json()
    assert Note.objects.count() == 1


@pytest.mark.parametrize(
    "key",
    ["", " ", "a b", "x" * 256, "schlüssel", "a\tb", '"', '""', '"abc', 'abc"', 'a"b', '"a"b"', '"a\\b"', '"a";v=1'],
)
def test_a_malformed_key_is_a_400_that_names_the_header(operator, key):
    response = operator.post(NOTES, {"title": "x"}, headers={"Idempotency-Key": key})

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "Idempotency-Key"


def test_a_batch_may_be_repeated(operator, note, notebook):
    batch = {
        "operations": [
            {"op": "create", "title": "One"},
            {"op": "patch", "id": str(note.uuid), "title": note.title},
            {"op": "delete", "id": str(note.uuid)},
        ]
    }
    first = operator.post("/api/v1/batch", batch, headers=KEY)
    second = operator.post("/api/v1/batch", batch, headers=KEY)

    assert first.status_code == 200
    assert second.json() == first.json()
    assert second["Idempotency-Replayed"] == "true"
    assert Note.objects.count() == 2
    assert list(problems(notebook)) == []
