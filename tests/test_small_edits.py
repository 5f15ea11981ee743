"""Append, prepend, replace: one write each, without reading the note first."""

import tracemalloc

import pytest

from tests.problems import fields_of
from tests.writing import create_old_note

NOTES = "/api/v1/notes"


@pytest.fixture
def url(note):
    return f"{NOTES}/{note.uuid}"


def test_append_adds_at_the_end_and_prepend_at_the_beginning(operator, url):
    assert operator.post(f"{url}/append", {"text": "Three\n"}).data["body"] == "One\nTwo\nThree\n"
    assert operator.post(f"{url}/prepend", {"text": "Zero\n"}).data["body"] == "Zero\nOne\nTwo\nThree\n"


def test_each_is_one_write(operator, url):
    response = operator.post(f"{url}/append", {"text": " x "})

    assert response.data["revision"] == 2
    assert response["ETag"] == operator.get(url)["ETag"]
    assert operator.get(f"{url}/revisions").data["results"][0]["changed"] == ["body"]


def test_replace_changes_all_expected_matches(operator, url):
    response = operator.post(f"{url}/replace", {"find": "\n", "replace": ";", "count": 2})

    assert response.data["body"] == "One;Two;"


@pytest.mark.parametrize(("find", "count", "found"), [("Two", 2, 1), ("\n", 1, 2), ("absent", 1, 0)])
def test_another_number_of_matches_is_a_409_and_changes_nothing(operator, url, find, count, found):
    response = operator.post(f"{url}/replace", {"find": find, "replace": "x", "count": count})

    assert (response.status_code, response.json()["code"]) == (409, "match_count")
    assert f"stands {found} times" in response.json()["detail"]
    assert operator.get(url).data["revision"] == 1


def test_text_is_matched_and_added_as_it_is(operator, url):
    operator.post(f"{url}/append", {"text": r"a.*\1"})

    response = operator.post(f"{url}/replace", {"find": ".*", "replace": r"\g<0>"})

    assert response.data["body"].endswith("a\\g<0>\\1")


def test_a_body_that_would_grow_too_long_is_a_400_and_changes_nothing(operator, url, settings):
    settings.NOTES_MAX_BODY_CHARS = 10

    answers = [
        operator.post(f"{url}/append", {"text": "abc"}),
        operator.post(f"{url}/prepend", {"text": "abc"}),
        operator.post(f"{url}/replace", {"find": "One", "replace": "Twelve"}),
    ]

    assert {answer.status_code for answer in answers} == {400}
    assert answers[0].json()["errors"][0]["field"] == "body"
    assert operator.get(url).data["revision"] == 1


def test_a_note_longer_than_the_limit_of_today_may_stay_so_and_get_shorter(operator, notebook, by):
    body = "a" * 100_000 + "b"
    url = f"{NOTES}/{create_old_note(notebook, by, title='Novel', body=body).uuid}"

    put = operator.put(url, {"title": "New", "body": body})
    replaced = operator.post(f"{url}/replace", {"find": "b", "replace": "c"})
    longer = [
        operator.put(url, {"title": "New", "body": body + "b"}),
        operator.patch(url, {"body": body + "b"}),
        operator.post(f"{url}/append", {"text": "b"}),
        operator.post(f"{url}/replace", {"find": "c", "replace": "cc"}),
        operator.post(NOTES, {"title": "New", "body": body}),
    ]
    shorter = operator.post(f"{url}/replace", {"find": "c", "replace": ""})

    assert [put.status_code, replaced.status_code, shorter.status_code] == [200, 200, 200]
    assert [fields_of(answer) for answer in longer] == [["body"]] * 5
    assert "at most 100001" in longer[2].json()["detail"]
    assert operator.patch(url, {"body": body}).status_code == 400


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("append", {}, "text"),
        ("append", {"text": ""}, "text"),
        ("append", {"text": 1}, "text"),
        ("append", {"text": "x", "at": 3}, "at"),
        ("prepend", {"text": None}, "text"),
        ("replace", {"find": "", "replace": "x"}, "find"),
        ("replace", {"find": "x"}, "replace"),
        ("replace", {"find": "x", "replace": "y", "count": 0}, "count"),
        ("replace", {"find": "x", "replace": "y", "count": "1"}, "count"),
        ("replace", {"find": "x", "replace": "y", "count": True}, "count"),
        ("replace", {"find": "x", "replace": "y", "count": 1.0}, "count"),
    ],
)
def test_bad_input_is_a_400_that_names_the_field(operator, url, path, body, field):
    response = operator.post(f"{url}/{path}", body)

    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]


def test_a_replacement_that_would_grow_too_long_is_refused_before_it_is_made(operator):
    url = operator.post(NOTES, {"title": "x", "body": "a" * 1000})["Location"]

    tracemalloc.start()
    response = operator.post(f"{url}/replace", {"find": "a", "replace": "b" * 100_000, "count": 1000})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert response.status_code == 400
    assert "this one has 100000000" in response.json()["detail"]
    assert peak < 20_000_000  # The text alone would be 100 MB.
