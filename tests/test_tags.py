"""Tags: how many notes bear each, filters, renaming."""

from contextlib import contextmanager
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.utils import timezone

from notes import renames
from notes.models import Note, Receipt, Revision, Tag, TagRename
from notes.search import index
from notes.verification import problems
from tests.pages import results
from tests.problems import problem_of
from tests.server import serving
from tests.wire import Connection
from tests.writing import create_notes

NOTES, TAGS = "/api/v1/notes", "/api/v1/tags"


@pytest.fixture
def tagged(notebook, by):
    return create_notes(
        notebook,
        by,
        [
            {"title": "a", "tags": ["Home", "work"]},
            {"title": "b", "tags": ["home"]},
            {"title": "c", "tags": ["work", "Wörter/Ä"]},
            {"title": "d"},
        ],
    )


def titles(client, **params):
    return [note["title"] for note in client.get(NOTES, {"ordering": "title", **params}).json()["results"]]


def test_tags_are_listed_with_the_number_of_live_notes(operator, tagged):
    operator.delete(f"{NOTES}/{tagged[1].uuid}")

    assert operator.get(TAGS).json()["results"] == [
        {"name": "Home", "notes": 1, "renaming_to": None},
        {"name": "work", "notes": 2, "renaming_to": None},
        {"name": "Wörter/Ä", "notes": 1, "renaming_to": None},
    ]


@pytest.mark.parametrize(("prefix", "names"), [("w", ["work", "Wörter/Ä"]), ("WÖ", ["Wörter/Ä"]), ("x", []), ("%", [])])
def test_tags_are_found_by_how_they_begin(operator, tagged, prefix, names):
    assert [tag["name"] for tag in operator.get(TAGS, {"prefix": prefix}).json()["results"]] == names


def test_tags_have_pages(operator, tagged):
    first = operator.get(TAGS, {"limit": 2}).json()

    assert [tag["name"] for tag in first["results"]] == ["Home", "work"]
    assert [tag["name"] for tag in operator.get(first["next"]).json()["results"]] == ["Wörter/Ä"]


def test_every_kind_of_write_keeps_the_count(operator, notebook):
    url = operator.post(NOTES, {"title": "x", "tags": ["one", "two"]})["Location"]
    operator.patch(url, {"tags": ["two", "three"]})
    operator.delete(url)
    assert Tag.objects.count() == 0
    operator.post(f"{url}/restore")
    assert dict(Tag.objects.values_list("key", "notes")) == {"two": 1, "three": 1}
    operator.post(f"{url}/revisions/1/restore")
    assert dict(Tag.objects.values_list("key", "notes")) == {"one": 1, "two": 1}
    notebook.refresh_from_db()
    assert list(problems(notebook)) == []


def test_notes_are_filtered_by_tags_in_any_case(operator, tagged):
    assert titles(operator, tag="HOME") == ["a", "b"]
    assert titles(operator, tag=["home", "work"]) == ["a"]
    assert titles(operator, without_tag="work") == ["b", "d"]
    assert titles(operator, tag="work", without_tag="home") == ["c"]
    assert titles(operator, tag="wörter/ä") == ["c"]
    assert titles(operator, tag="hom") == []


@pytest.mark.parametrize("ordering", ["-created_at", "created_at", "title", "updated_at"])
def test_filters_by_tag_have_pages_in_every_order(operator, notebook, by, ordering):
    create_notes(notebook, by, [{"title": f"{number:02}", "tags": ["x"]} for number in range(20)])

    notes = results(operator, f"{NOTES}?tag=x&ordering={ordering}&limit=6")

    assert sorted(note["title"] for note in notes) == [f"{number:02}" for number in range(20)]


def test_renaming_a_tag_edits_each_note_that_bears_it(operator, tagged, notebook):
    response = operator.post(f"{TAGS}/rename", {"tag": "HOME", "name": "House"}, headers={"X-Request-ID": "rename"})

    assert response.status_code == 200
    assert response.json() == {"name": "House", "notes": 2}
    assert titles(operator, tag="house") == ["a", "b"]
    assert titles(operator, tag="home") == []
    assert [row.changed for row in Revision.objects.filter(request_id="rename")] == [["tags"], ["tags"]]
    notebook.refresh_from_db()
    assert list(problems(notebook)) == []


def test_a_renamed_tag_may_be_one_that_is_there(operator, tagged):
    operator.post(f"{TAGS}/rename", {"tag": "home", "name": "work"})

    assert operator.get(TAGS).json()["results"][0] == {"name": "work", "notes": 3, "renaming_to": None}
    assert operator.get(f"{NOTES}/{tagged[0].uuid}").data["tags"] == ["work"]


def test_a_tag_may_change_its_case_alone(operator, tagged):
    operator.post(f"{TAGS}/rename", {"tag": "home", "name": "HOME"})

    assert operator.get(TAGS, {"prefix": "h"}).json()["results"] == [{"name": "HOME", "notes": 2, "renaming_to": None}]


def test_tags_are_recounted_when_the_index_is_rebuilt(operator, tagged, notebook):
    Tag.objects.filter(key="work").update(notes=7)
    Tag.objects.filter(key="home").delete()

    call_command("rebuild_search", stdout=StringIO())

    notebook.refresh_from_db()
    assert list(problems(notebook)) == []


def test_renaming_may_be_repeated(operator, tagged):
    key = {"Idempotency-Key": "rename-1"}
    first = operator.post(f"{TAGS}/rename", {"tag": "home", "name": "House"}, headers=key)
    second = operator.post(f"{TAGS}/rename", {"tag": "home", "name": "House"}, headers=key)

    assert (second.status_code, second.json()) == (200, first.json())
    assert second["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"tag": "nothing", "name": "x"}, 404),
        ({"tag": "home"}, 400),
        ({"tag": "home", "name": "a,b"}, 400),
        ({"tag": "home", "name": " "}, 400),
        ({"tag": "home", "name": "x" * 51}, 400),
        ({"tag": 1, "name": "x"}, 400),
        ({"tag": "home", "name": "x", "color": "red"}, 400),
    ],
)
def test_a_rename_that_cannot_be_is_refused(operator, tagged, body, status):
    assert operator.post(f"{TAGS}/rename", body).status_code == status
    assert Revision.objects.count() == 4


def test_renaming_says_how_many_notes_it_edited(operator, tagged, django_assert_max_num_queries):
    assert operator.post(f"{TAGS}/rename", {"tag": "home", "name": "home"}).json() == {"name": "home", "notes": 1}

    with django_assert_max_num_queries(35):
        operator.post(f"{TAGS}/rename", {"tag": "work", "name": "job"})


# In transactions of bounded size


MANY = 5


@pytest.fixture
def many(transactional_db, notebook, by, monkeypatch):
    """More notes with one tag than are renamed in one transaction."""
    monkeypatch.setattr(renames, "MAX_NOTES", 2)
    return create_notes(notebook, by, [{"title": f"{number}", "tags": ["work"]} for number in range(MANY)])


@contextmanager
def interrupted(after):
    """Let the database fail once so many notes are renamed."""
    edited = []

    def fail(execute, sql, params, many, context):
        if sql.startswith("INSERT INTO notes_revision"):
            edited.append(sql)
            if len(edited) > after:
                raise OperationalError("the database is gone")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail):
        yield


def rename(client, tag="work", name="job", **headers):
    return client.post(f"{TAGS}/rename", {"tag": tag, "name": name}, headers=headers)


def assert_all_renamed(notebook, name="job"):
    assert {tuple(tags) for tags in Note.objects.values_list("tags", flat=True)} == {(name,)}
    assert dict(Tag.objects.values_list("name", "notes")) == {name: MANY}
    # Each note was edited once.
    assert Revision.objects.filter(changed=["tags"]).count() == MANY
    notebook.refresh_from_db()
    assert list(problems(notebook)) == []


def test_an_interrupted_rename_keeps_its_work_and_the_tags_show_the_rest(operator, many):
    with interrupted(after=1):
        response = rename(operator)

    assert "not known whether it was stored" in problem_of(response, 503)["detail"]
    assert operator.get(TAGS).json()["results"] == [
        {"name": "job", "notes": 2, "renaming_to": None},
        {"name": "work", "notes": 3, "renaming_to": "job"},
    ]


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "rename-1"}])
def test_an_interrupted_rename_goes_on_when_it_is_sent_again(operator, many, notebook, headers):
    with interrupted(after=1):
        rename(operator, **headers)

    response = rename(operator, **headers)

    assert (response.status_code, response.json()) == (200, {"name": "job", "notes": MANY})
    assert_all_renamed(notebook)


@pytest.mark.prove
def test_an_interrupted_rename_goes_on_when_a_server_starts(operator, many, notebook):
    with interrupted(after=1):
        rename(operator, **{"Idempotency-Key": "rename-1"})

    with serving() as server, Connection(server.url) as client:
        for _ in range(1000):
            if not TagRename.objects.running().exists():
                break
            client.send("GET", "/healthz")

    assert_all_renamed(notebook)
    assert rename(operator, **{"Idempotency-Key": "rename-1"}).json() == {"name": "job", "notes": MANY}


def test_a_rename_that_is_done_keeps_no_name(operator, many):
    rename(operator)

    assert list(TagRename.objects.values_list("old", "new")) == [("", "")]


def test_one_tag_is_renamed_at_a_time(operator, many, notebook):
    with interrupted(after=1):
        rename(operator)

    for tag, name in (("work", "other"), ("job", "work")):
        assert problem_of(rename(operator, tag, name), 409)["code"] == "rename_running"
    rename(operator)
    assert_all_renamed(notebook)


@pytest.mark.parametrize("name", ["job", "WORK"])
def test_a_rename_finds_the_notes_that_the_index_has_lost(operator, many, notebook, name):
    index.clear()
    index.add(many[:3])

    response = rename(operator, name=name)

    assert response.json() == {"name": name, "notes": MANY}
    call_command("rebuild_search", stdout=StringIO())
    assert_all_renamed(notebook, name)


def test_no_transaction_of_a_rename_holds_more_text_than_its_share(operator, many, notebook, monkeypatch):
    monkeypatch.setattr(renames, "MAX_NOTES", 500)
    monkeypatch.setattr(renames, "MAX_CHARS", 25)
    Note.objects.update(body="ten chars.")
    with interrupted(after=1):
        rename(operator)
    assert Tag.objects.get(key="job").notes == 2
    monkeypatch.setattr(renames, "MAX_CHARS", 5)

    assert rename(operator).json() == {"name": "job", "notes": MANY}


def test_a_rename_makes_no_note_older_than_it_was(operator, many):
    later = timezone.now() + timedelta(days=1)
    Note.objects.update(updated_at=later)

    rename(operator)

    assert set(Note.objects.values_list("updated_at", flat=True)) == {later}


def test_a_receipt_of_an_older_version_is_still_honoured(operator, many):
    rename(operator, **{"Idempotency-Key": "rename-1"})
    Receipt.objects.update(outcomes={"notes": 3})

    assert rename(operator, **{"Idempotency-Key": "rename-1"}).json() == {"name": "job", "notes": 3}


def test_pruning_forgets_renames_together_with_their_receipts(operator, many):
    rename(operator, **{"Idempotency-Key": "rename-1"})
    call_command("prune_revisions", "--days=365", stdout=StringIO())
    assert rename(operator, **{"Idempotency-Key": "rename-1"}).status_code == 200

    long_ago = timezone.now() - timedelta(days=366)
    Receipt.objects.update(written_at=long_ago)
    TagRename.objects.update(finished_at=long_ago)
    call_command("prune_revisions", "--days=365", stdout=StringIO())

    assert (Receipt.objects.count(), TagRename.objects.count()) == (0, 0)


def test_a_rename_passes_over_what_the_index_has_and_the_notebook_has_not(operator, many, notebook):
    lost = [note.pk for note in many[:3]]
    Note.objects.filter(pk__in=lost).update(deleted_at=timezone.now())

    response = rename(operator)

    assert (response.status_code, response.json()["notes"]) == (200, MANY - len(lost))
    assert not TagRename.objects.running().exists()
