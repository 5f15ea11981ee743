"""Lists of notes: orders, bounds and light lists, each with pages, ETags and searches."""

from datetime import UTC, datetime, timedelta

import pytest

from notes.search.engine import Search
from tests.pages import results
from tests.writing import create_notes

NOTES = "/api/v1/notes"
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def week(notebook, by):
    """Seven notes, created a day apart. Their titles and times of change run in the opposite order."""
    return create_notes(
        notebook,
        by,
        [
            {
                "title": f"{chr(ord('g') - day)} word",
                "created_at": NOON + timedelta(days=day),
                "updated_at": NOON + timedelta(days=30 - day),
            }
            for day in range(7)
        ],
    )


def letters(client, **params):
    response = client.get(NOTES, params)
    assert response.status_code == 200, response.json()
    return "".join(note["title"][0] for note in response.json()["results"])


@pytest.mark.parametrize(
    ("ordering", "expected"),
    [
        ("-created_at", "abcdefg"),
        ("created_at", "gfedcba"),
        ("title", "abcdefg"),
        ("-title", "gfedcba"),
        ("updated_at", "abcdefg"),
        ("-updated_at", "gfedcba"),
    ],
)
def test_each_order_holds_with_and_without_a_search(operator, week, ordering, expected):
    assert letters(operator, ordering=ordering) == expected
    assert letters(operator, ordering=ordering, q="word") == expected


@pytest.mark.parametrize("ordering", ["-created_at", "created_at", "title", "-title", "updated_at", "-updated_at"])
def test_pages_go_forwards_and_backwards_in_each_order(operator, week, ordering):
    whole = letters(operator, ordering=ordering)
    first = operator.get(NOTES, {"ordering": ordering, "limit": 3}).json()
    second = operator.get(first["next"]).json()
    third = operator.get(second["next"]).json()

    read = [note["title"][0] for page in (first, second, third) for note in page["results"]]

    assert "".join(read) == whole
    assert operator.get(third["previous"]).json()["results"] == second["results"]
    assert operator.get(second["previous"]).json()["results"] == first["results"]


def test_bounds_leave_out_what_lies_beyond_them(operator, week):
    third, fifth = (f"{NOON + timedelta(days=day):%Y-%m-%dT%H:%M:%SZ}" for day in (2, 4))

    for search in ({}, {"q": "word"}, {"q": "word", "ordering": "title"}):
        assert letters(operator, created_after=third, **search) == "abcd"
        assert letters(operator, created_before=third, **search) == "fg"
        assert letters(operator, created_after=third, created_before=fifth, **search) == "d"
        assert letters(operator, updated_after="2026-05-30T00:00:00Z", **search) == "fg"
        assert letters(operator, updated_before="2026-05-25T12:00:00.000001Z", **search) == "a"


@pytest.mark.parametrize("search", [{}, {"q": "word"}, {"q": "word", "ordering": "-created_at"}])
@pytest.mark.parametrize("few", [0, 1000])
def test_no_bound_cuts_through_the_notes_of_one_moment(operator, notebook, by, monkeypatch, search, few):
    monkeypatch.setattr(Search, "FEW", few)
    create_notes(notebook, by, [{"title": f"{number} word", "created_at": NOON} for number in range(150)])
    before, after = (f"{NOON + timedelta(microseconds=number):%Y-%m-%dT%H:%M:%S.%fZ}" for number in (-1, 1))

    def found(**bounds):
        return len(operator.get(NOTES, {"limit": 200, **bounds, **search}).json()["results"])

    assert found(created_before=after) == found(created_after=before) == 150
    assert found(created_after=before, created_before=after) == 150
    assert found(created_before=before) == found(created_after=after) == 0


def test_notes_are_listed_by_their_ids(operator, week):
    ids = f"{week[0].uuid},{week[3].uuid}"

    assert letters(operator, ids=ids) == "dg"
    assert letters(operator, ids=ids, q="word") == "dg"
    assert letters(operator, ids=ids, created_after="2026-05-02T00:00:00Z") == "d"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("created_after", "yesterday"),
        ("created_after", ""),
        ("created_after", "2026-05-01"),
        ("created_after", "2026-05-01T12:00:00"),
        ("created_before", "0001-01-01T00:00:00+23:59"),
        ("updated_after", "9999-12-31T23:59:59-23:59"),
        ("updated_before", "2026-02-30T00:00:00Z"),
        ("ids", "x"),
        ("ids", ""),
        ("ids", ",".join(["0190f1c2-7a3b-7c4d-8e5f-001122334455"] * 101)),
        ("ordering", "body"),
        ("ordering", ""),
        ("ordering", "relevance"),
        ("fields", "title,secret"),
        ("fields", ""),
        ("omit", "title"),
        ("tag", ""),
        ("search", "x"),
    ],
)
def test_what_cannot_be_asked_for_is_a_400_that_names_it(operator, week, name, value):
    response = operator.get(NOTES, {name: value})

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"].split(".")[0] == name


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_bounds_may_lie_at_the_end_of_time(operator, week, moment):
    for name in ("created_after", "created_before", "updated_after", "updated_before"):
        assert letters(operator, **{name: moment}) in {"", "abcdefg"}
        assert sorted(letters(operator, q="word", **{name: moment})) in ([], sorted("abcdefg"))


def test_a_light_list_has_only_the_fields_asked_for(operator, week):
    [note, *_] = operator.get(NOTES, {"fields": "id,title"}).json()["results"]
    assert note.keys() == {"id", "title"}
    [note, *_] = operator.get(NOTES, {"omit": "body"}).json()["results"]
    assert note.keys() == {"id", "title", "tags", "metadata", "revision", "created_at", "updated_at"}


def test_a_light_list_has_no_etag(operator, week):
    tag = operator.get(NOTES)["ETag"]

    for params in ({"fields": "id"}, {"omit": "body"}):
        response = operator.get(NOTES, params, headers={"If-None-Match": tag})

        assert response.status_code == 200
        assert "ETag" not in response


def test_a_search_that_has_not_changed_is_a_304(operator, week, django_assert_num_queries):
    tag = operator.get(NOTES, {"q": "word"})["ETag"]

    with django_assert_num_queries(1):
        assert operator.get(NOTES, {"q": "word"}, headers={"If-None-Match": tag}).status_code == 304


def test_notes_of_one_moment_have_pages_too(operator, notebook, by):
    create_notes(notebook, by, [{"title": str(number), "created_at": NOON} for number in range(300)])

    seen = [note["title"] for note in results(operator, f"{NOTES}?limit=100")]

    assert len(seen) == len(set(seen)) == 300
