"""Tags: how many notes bear each, filters, renaming."""

from io import StringIO

import pytest
from django.core.management import call_command

from notes.models import Revision, Tag
from notes.verification import problems

NOTES, TAGS = "/api/v1/notes", "/api/v1/tags"


@pytest.fixture
def tagged(notebook, by):
    return notebook.create_notes(
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
        {"name": "Home", "notes": 1},
        {"name": "work", "notes": 2},
        {"name": "Wörter/Ä", "notes": 1},
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
    notebook.create_notes(by, [{"title": f"{number:02}", "tags": ["x"]} for number in range(20)])
    pages, url = [], f"{NOTES}?tag=x&ordering={ordering}&limit=6"

    while url:
        answer = operator.get(url).json()
        pages += [note["title"] for note in answer["results"]]
        url = answer["next"]

    assert sorted(pages) == [f"{number:02}" for number in range(20)]


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

    assert operator.get(TAGS).json()["results"][0] == {"name": "work", "notes": 3}
    assert operator.get(f"{NOTES}/{tagged[0].uuid}").data["tags"] == ["work"]


def test_a_tag_may_change_its_case_alone(operator, tagged):
    operator.post(f"{TAGS}/rename", {"tag": "home", "name": "HOME"})

    assert operator.get(TAGS, {"prefix": "h"}).json()["results"] == [{"name": "HOME", "notes": 2}]


def test_counts_are_made_anew_with_the_index(operator, tagged, notebook):
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

    with django_assert_max_num_queries(20):
        operator.post(f"{TAGS}/rename", {"tag": "work", "name": "job"})
