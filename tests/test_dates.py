"""A note that moves here keeps its dates; afterwards only the server sets them."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from notes.models import Note
from notes.verification import problems
from tests.problems import fields_of

NOTES = "/api/v1/notes"
CREATED, UPDATED = "2019-05-31T12:00:00.000001Z", "2020-05-31T12:00:00Z"


@pytest.fixture(params=["POST", "PUT", "batch"])
def create(request, operator):
    """Create a note in each way that a client can; return the response and what it says of the note."""

    def send(**fields):
        if request.param == "POST":
            response = operator.post(NOTES, fields)
        elif request.param == "PUT":
            response = operator.put(f"{NOTES}/{uuid.uuid4()}", fields, headers={"If-None-Match": "*"})
        else:
            response = operator.post("/api/v1/batch", {"operations": [{"op": "create", **fields}]})
        answer = response.json()
        return response, answer["results"][0]["note"] if "results" in answer else answer

    return send


@pytest.mark.parametrize(
    ("sent", "created_at", "updated_at"),
    [
        ({"created_at": CREATED, "updated_at": UPDATED}, CREATED, UPDATED),
        ({"created_at": CREATED}, CREATED, CREATED),
        ({"updated_at": UPDATED}, UPDATED, UPDATED),
        ({"created_at": "2019-05-31T14:00:00+02:00"}, "2019-05-31T12:00:00Z", "2019-05-31T12:00:00Z"),
        ({"created_at": "0001-01-01T00:00:00Z"}, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ],
)
def test_a_new_note_has_the_dates_that_it_brings(create, operator, notebook, sent, created_at, updated_at):
    _, created = create(title="Old letter", **sent)

    note = operator.get(f"{NOTES}/{created['id']}").json()
    assert (note["created_at"], note["updated_at"]) == (created_at, updated_at)
    assert (created["created_at"], created["updated_at"]) == (created_at, updated_at)
    assert operator.get(NOTES, {"q": "letter"}).json()["results"][0]["id"] == created["id"]
    notebook.refresh_from_db()
    assert list(problems(notebook)) == []


@pytest.mark.parametrize("name", ["created_at", "updated_at"])
@pytest.mark.parametrize(
    ("moment", "code"),
    [
        ("2019-05-31T12:00:00", "invalid"),
        ("2019-05-31", "invalid"),
        ("2019-02-30T12:00:00Z", "invalid"),
        ("0001-01-01T00:00:00+23:59", "invalid"),
        ("0000-01-01T00:00:00Z", "invalid"),
        ("9999-12-31T23:59:59Z", "max_value"),
        ("9999-12-31T23:59:59-23:59", "invalid"),
        ("", "invalid"),
        (1559304000, "invalid"),
        (None, "null"),
    ],
)
def test_a_date_that_is_none_is_refused_by_name(create, name, moment, code):
    response, _ = create(title="Old letter", **{name: moment})

    assert [field.rpartition(".")[2] for field in fields_of(response)] == [name]
    assert response.json()["errors"][0]["code"] == code
    assert not Note.objects.exists()


def test_a_date_is_at_most_a_day_ahead(create, monkeypatch):
    now = datetime(2026, 5, 31, 12, tzinfo=UTC)
    monkeypatch.setattr(timezone, "now", lambda: now)

    response, note = create(title="From another clock", created_at=str(now + timedelta(days=1)))
    assert response.status_code in {200, 201}
    assert note["created_at"] == "2026-06-01T12:00:00Z"
    response, _ = create(title="From the future", created_at=str(now + timedelta(days=1, microseconds=1)))
    assert response.json()["errors"][0]["code"] == "max_value"


def test_no_note_is_changed_before_it_is_created(create):
    response, _ = create(title="Old letter", created_at=UPDATED, updated_at=CREATED)

    assert [field.rpartition(".")[2] for field in fields_of(response)] == ["updated_at"]
    assert response.json()["errors"][0]["code"] == "min_value"
    assert not Note.objects.exists()


def test_a_list_has_a_note_at_its_date(operator, note):
    before = operator.post(NOTES, {"title": "Old letter", "created_at": CREATED}).json()

    assert [shown["id"] for shown in operator.get(NOTES).json()["results"]] == [str(note.uuid), before["id"]]


def test_an_edit_sets_updated_at(operator):
    before = operator.post(NOTES, {"title": "Old letter", "created_at": CREATED}).json()

    after = operator.patch(f"{NOTES}/{before['id']}", {"title": "Older letter"}).json()

    assert after["created_at"] == CREATED
    assert after["updated_at"] > "2025"


@pytest.mark.parametrize("name", ["created_at", "updated_at"])
def test_no_later_write_sets_a_date(operator, note, name):
    url = f"{NOTES}/{note.uuid}"
    fields = {"title": "Plan", name: CREATED}

    for response in (operator.put(url, fields), operator.patch(url, fields)):
        assert fields_of(response) == [name]
        assert response.json()["errors"][0]["code"] == "read_only"
    for op in ("update", "patch"):
        response = operator.post("/api/v1/batch", {"operations": [{"op": op, "id": str(note.uuid), **fields}]})
        assert fields_of(response) == [f"operations.0.{name}"]
