"""Many writes, all or nothing."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notes.models import Note, Revision
from notes.search import index
from notes.verification import problems

NOTES, BATCH = "/api/v1/notes", "/api/v1/batch"
EPOCH = "421ea4eb-0000-4000-8000-000000000000"


def send(client, *operations):
    return client.post(BATCH, {"operations": list(operations)})


def test_results_come_in_order_and_each_write_has_its_own_number(operator, note, notebook):
    chosen, etag = str(uuid.uuid4()), operator.get(f"{NOTES}/{note.uuid}")["ETag"]

    response = send(
        operator,
        {"op": "create", "title": "One"},
        {"op": "create", "id": chosen, "title": "Two", "tags": ["x"]},
        {"op": "patch", "id": str(note.uuid), "if_match": etag, "title": "Three"},
        {"op": "append", "id": str(note.uuid), "text": "more"},
        {"op": "delete", "id": chosen},
        {"op": "restore", "id": chosen},
    )

    assert response.status_code == 200
    results = response.json()["results"]
    assert [result["status"] for result in results] == [201, 201, 200, 200, 204, 200]
    assert [result["note"]["revision"] for result in results] == [2, 3, 4, 5, 6, 7]
    assert results[2]["note"] == {"id": str(note.uuid), "revision": 4, "deleted": False}
    assert results[3]["note"] == {**operator.get(f"{NOTES}/{note.uuid}").json(), "deleted": False}
    assert results[4]["note"] == {"id": chosen, "revision": 6, "deleted": True}
    assert results[5]["note"]["title"] == "Two"
    notebook.refresh_from_db()
    assert list(problems(notebook)) == []


@pytest.mark.parametrize(
    ("failing", "status", "code"),
    [
        ({"op": "patch", "id": "{note}", "if_match": "99", "title": "x"}, 412, "precondition_failed"),
        ({"op": "patch", "id": str(uuid.UUID(int=7)), "title": "x"}, 404, "not_found"),
        ({"op": "create", "id": "{note}", "title": "x"}, 409, "id_taken"),
        ({"op": "replace", "id": "{note}", "find": "absent", "replace": "x"}, 409, "match_count"),
    ],
)
def test_a_failed_write_names_itself_and_nothing_is_stored(operator, note, failing, status, code):
    failing = {name: str(note.uuid) if value == "{note}" else value for name, value in failing.items()}

    response = send(operator, {"op": "create", "title": "One"}, failing)

    assert (response.status_code, response.json()["code"], response.json()["operation"]) == (status, code, 1)
    assert (Note.objects.count(), Revision.objects.count()) == (1, 1)


@pytest.mark.parametrize(
    ("failing", "field"),
    [
        ({"op": "create", "title": ""}, "operations.1.title"),
        ({"op": "create", "title": "x", "color": "red"}, "operations.1.color"),
        ({"op": "create", "title": "x", "if_match": "1-421ea4eb"}, "operations.1.if_match"),
        ({"op": "create", "title": "x", "epoch": EPOCH}, "operations.1.epoch"),
        ({"op": "explode"}, "operations.1.op"),
        ({}, "operations.1.op"),
        ({"op": "patch", "title": "x"}, "operations.1.id"),
        ({"op": "patch", "id": "x", "title": "x"}, "operations.1.id"),
        *(
            ({"op": "patch", "id": str(uuid.UUID(int=7)), "title": "x", **condition}, f"operations.1.{field}")
            for field, conditions in {
                "if_match": [
                    {"if_match": wrong, "epoch": EPOCH} for wrong in (-1, 1.0, True, None, [], "", "a b", '"1', '1"')
                ],
                "epoch": [
                    {"if_match": 1},
                    {"if_match": 1, "epoch": "421ea4eb"},
                    {"if_match": 1, "epoch": 1},
                    {"if_match": "1-421ea4eb", "epoch": EPOCH},
                    {"epoch": EPOCH},
                ],
            }.items()
            for condition in conditions
        ),
        ("create", "operations.1"),
    ],
)
def test_a_malformed_write_is_a_400_that_names_its_field(operator, failing, field):
    response = send(operator, {"op": "create", "title": "One"}, failing)

    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert Note.objects.count() == 0


@pytest.mark.parametrize("count", [0, 101])
def test_a_batch_holds_1_to_100_writes(operator, count):
    response = send(operator, *[{"op": "create", "title": "x"}] * count)

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "operations"
    assert Note.objects.count() == 0


def test_a_batch_may_hold_a_hundred_writes(operator, notebook):
    assert len(send(operator, *[{"op": "create", "title": "x"}] * 100).json()["results"]) == 100


def test_a_hundred_creates_take_hardly_more_statements_than_two(operator, notebook):
    def statements(count):
        with CaptureQueriesContext(connection) as queries:
            send(operator, *[{"op": "create", "title": f"{number}"} for number in range(count)])
        return len(queries)

    # Django sends SQLite at most 999 parameters in a statement: 83 notes.
    assert statements(100) <= statements(2) + 1


@pytest.mark.parametrize("op", ["create", "delete"])
def test_the_first_error_counts_whatever_follows(operator, note, op):
    taken = {"op": "create", "id": str(note.uuid), "title": "x"}

    response = send(operator, {"op": "create", "title": "One"}, taken, {"op": op, "title": ""}, taken)

    assert (response.json()["code"], response.json()["operation"]) == ("id_taken", 1)


def test_two_creates_of_a_batch_cannot_have_one_id(operator, notebook):
    create = {"op": "create", "id": str(uuid.uuid4()), "title": "x"}

    response = send(operator, create, {"op": "create", "title": "y"}, create)

    assert (response.json()["code"], response.json()["operation"]) == ("id_taken", 2)
    assert Note.objects.count() == 0


def test_a_note_that_is_written_to_many_times_is_indexed_once(operator, note, monkeypatch):
    engine, indexed = index.engine(), []
    add = engine.add
    monkeypatch.setattr(engine, "add", lambda cursor, notes: (indexed.append(notes), add(cursor, notes)))

    response = send(operator, *[{"op": "append", "id": str(note.uuid), "text": "more "}] * 100)

    assert response.status_code == 200
    assert indexed == [[note]]
    assert len(operator.get(NOTES, {"q": "more"}).json()["results"]) == 1


def test_many_small_edits_of_a_long_note_are_answered_with_it_once(operator):
    note = operator.post(NOTES, {"title": "Novel", "body": "x" * 90_000}).json()
    edits = {"operations": [{"op": "append", "id": note["id"], "text": "y"}] * 100}

    first, repeated = (operator.post(BATCH, edits, headers={"Idempotency-Key": "one"}) for _ in range(2))

    assert first.status_code == 200
    assert len(first.content) < 110_000
    assert first.json()["results"][-1]["note"]["body"] == "x" * 90_000 + "y" * 100
    assert repeated.content == first.content


@pytest.mark.parametrize("condition", ['"1-{short}"', 'W/"1-{short}"', "1-{short}", 1])
def test_a_write_may_expect_an_etag_or_a_revision_beside_its_epoch(operator, note, notebook, condition):
    epoch = {"epoch": str(notebook.epoch)} if condition == 1 else {}
    condition = condition if condition == 1 else condition.format(short=notebook.epoch.hex[:8])
    write = {"op": "append", "id": str(note.uuid), "text": "x", "if_match": condition, **epoch}

    first, second = send(operator, write), send(operator, write)

    assert (first.status_code, second.status_code, second.json()["operation"]) == (200, 412, 0)
    assert second.json()["current"]["revision"] == 2
    assert "ETag" not in second


def test_a_revision_of_another_epoch_or_of_none_matches_nothing(operator, note, notebook):
    write = {"op": "delete", "id": str(note.uuid)}
    # It begins as this one does.
    other = str(notebook.epoch)[:8] + EPOCH[8:]

    assert send(operator, {**write, "if_match": 1, "epoch": other}).status_code == 412
    assert send(operator, {**write, "if_match": "1"}).status_code == 412


def test_the_second_of_two_writes_to_one_note_sees_the_first(operator, note, notebook):
    expecting = {"op": "patch", "id": str(note.uuid), "if_match": 1, "epoch": str(notebook.epoch)}
    both = [{**expecting, "title": "A"}, {**expecting, "title": "B"}]

    assert send(operator, *both).status_code == 412
    assert send(operator, both[0], {**both[1], "if_match": 2}).status_code == 200
    assert operator.get(f"{NOTES}/{note.uuid}").data["title"] == "B"


@pytest.mark.parametrize("body", [{}, {"operations": {}}, {"operations": "x"}, {"operations": None}, [], {"ops": []}])
def test_what_is_no_batch_is_a_400(operator, body):
    assert operator.post(BATCH, body).status_code == 400


def test_strict_mode_holds_in_a_batch_too(operator, note, settings):
    settings.NOTES_REQUIRE_IF_MATCH = True

    response = send(operator, {"op": "delete", "id": str(note.uuid)})

    assert (response.status_code, response.json()["operation"]) == (428, 0)


@pytest.mark.parametrize("op", ["delete", "restore"])
def test_what_takes_no_content_refuses_it(operator, note, op):
    response = send(operator, {"op": op, "id": str(note.uuid), "title": "x"})

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "operations.0.title"
    assert operator.post(f"{NOTES}/{note.uuid}/restore", {"title": "x"}).status_code == 400
