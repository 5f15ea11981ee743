"""Prefer: return=minimal. Every write of one note may be answered without the note."""

import uuid

import pytest

from notes.api.preferences import PREFERENCE
from notes.models import Note, Revision

NOTES = "/api/v1/notes"
MINIMAL = {"Prefer": "return=minimal"}


@pytest.fixture
def url(note):
    return f"{NOTES}/{note.uuid}"


@pytest.mark.parametrize(
    ("method", "path", "fields"),
    [
        ("put", "", {"title": "New"}),
        ("patch", "", {"title": "New"}),
        ("delete", "", None),
        ("post", "/append", {"text": "x"}),
        ("post", "/prepend", {"text": "x"}),
        ("post", "/replace", {"find": "Two", "replace": "x"}),
        ("post", "/restore", None),
        ("post", "/revisions/1/restore", None),
    ],
)
def test_a_write_of_a_note_may_be_answered_with_its_etag_alone(operator, url, note, method, path, fields):
    response = getattr(operator, method)(f"{url}{path}", fields, headers=MINIMAL)

    assert (response.status_code, response.content) == (204, b"")
    assert response["Preference-Applied"] == "return=minimal"
    assert "Content-Type" not in response
    note.refresh_from_db()
    assert response["ETag"] == f'"{note.revision}-{note.notebook.epoch.hex[:8]}"'


def test_a_purge_says_so_too(operator, url, note):
    trashed = operator.delete(url)

    response = operator.delete(f"/api/v1/trash/{note.uuid}", headers={**MINIMAL, "If-Match": trashed["ETag"]})

    assert (response.status_code, response["Preference-Applied"]) == (204, "return=minimal")


@pytest.mark.parametrize("method", ["post", "put"])
def test_a_new_note_may_be_answered_with_its_address_alone(operator, method):
    address = NOTES if method == "post" else f"{NOTES}/{uuid.uuid4()}"
    headers = MINIMAL if method == "post" else {**MINIMAL, "If-None-Match": "*"}

    response = getattr(operator, method)(address, {"title": "x"}, headers=headers)

    assert (response.status_code, response.content) == (201, b"")
    assert response["Preference-Applied"] == "return=minimal"
    assert "Content-Type" not in response
    assert operator.get(response["Location"])["ETag"] == response["ETag"]


@pytest.mark.parametrize(
    "text",
    [
        "return=minimal",
        "Return = minimal",
        'return="minimal"',
        "respond-async, wait=10, return=minimal",
        "handling=lenient; x=y,return=minimal;why=not",
        'x="a, return=representation; \\"b", return=minimal',
        ",, return=minimal,,",
        "return=minimal, return=representation",
    ],
)
def test_a_wish_is_read_as_the_rfc_says(operator, url, text):
    assert operator.patch(url, {"title": "New"}, headers={"Prefer": text}).status_code == 204


@pytest.mark.parametrize(
    "text",
    [
        "",
        "return",
        "return=",
        "return=representation",
        "return=representation, return=minimal",
        "return=everything",
        "return=MINIMAL",
        "returns=minimal",
        "x=return=minimal",
        "x; return=minimal",
        'x="return=minimal"',
        'x=", return=minimal',
        "\x00\xff;;=,=",
        "minimal",
    ],
)
def test_what_is_no_such_wish_is_ignored(operator, url, text):
    response = operator.patch(url, {"title": "New"}, headers={"Prefer": text})

    assert (response.status_code, response.data["title"]) == (200, "New")
    assert "Preference-Applied" not in response


@pytest.mark.parametrize("text", ['"' * 50_000, "a;" * 50_000, 'x="\\' * 20_000, "=" * 50_000, " " * 50_000])
def test_a_long_wish_is_read_quickly(text, monkeypatch):
    # A pattern that goes back and forth would take minutes.
    assert sum(len(match[0]) for match in PREFERENCE.finditer(text)) <= len(text)


def test_other_answers_do_not_know_the_wish(operator, url):
    answers = [
        operator.get(url, headers=MINIMAL),
        operator.get(NOTES, headers=MINIMAL),
        operator.post("/api/v1/batch", {"operations": [{"op": "create", "title": "x"}]}, headers=MINIMAL),
        operator.post("/api/v1/tags/rename", {"tag": "work", "name": "job"}, headers=MINIMAL),
        operator.post("/api/v1/keys", {"name": "x", "level": "read"}, headers=MINIMAL),
    ]

    for answer in answers:
        assert answer.status_code in {200, 201}
        assert answer.content
        assert "Preference-Applied" not in answer


def test_an_error_is_told_in_full(operator, url):
    response = operator.patch(url, {"title": "New"}, headers={**MINIMAL, "If-Match": '"9"'})

    assert (response.status_code, response.json()["current"]["title"]) == (412, "Plan")
    assert "Preference-Applied" not in response
    assert operator.patch(url, {"title": ""}, headers=MINIMAL).json()["errors"]


def test_a_repeat_is_answered_as_it_wishes_itself(operator, url):
    key = {"Idempotency-Key": "one"}
    new = {"title": "x"}

    created = [operator.post(NOTES, new, headers={**key, **wish}) for wish in (MINIMAL, {}, MINIMAL)]
    edited = [operator.patch(url, new, headers={"Idempotency-Key": "two", **wish}) for wish in ({}, MINIMAL, {})]

    assert [answer.status_code for answer in created] == [201, 201, 201]
    assert [bool(answer.content) for answer in created] == [False, True, False]
    assert len({(answer["Location"], answer["ETag"]) for answer in created}) == 1
    assert [answer.status_code for answer in edited] == [200, 204, 200]
    assert len({answer["ETag"] for answer in edited}) == 1
    assert ["Idempotency-Replayed" in answer for answer in created + edited] == [False, True, True] * 2
    assert (Note.objects.count(), Revision.objects.count()) == (2, 3)
