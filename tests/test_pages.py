"""Pages of a list: each note is on exactly one page, however many are written while somebody turns the pages."""

import tracemalloc
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notes.search import index
from tests.pages import walk
from tests.writing import create_note, create_notes

NOTES, CHANGES = "/api/v1/notes", "/api/v1/changes"


@pytest.fixture
def notes(notebook, by):
    """Ten notes in the order of the list, all made in the same moment, as an import makes them."""
    made = [make_note(notebook, by, f"Note {number}") for number in range(10)]
    return sorted(made, key=lambda note: note.position, reverse=True)


def make_note(notebook, by, title, *, days_later=0, note_id=None):
    moment = timezone.now().replace(year=2026, month=1, day=1, hour=0, minute=0, second=0, microsecond=123456)
    return create_note(notebook, by, title=title, created_at=moment + timedelta(days=days_later), uuid=note_id)


def test_pages_forwards_hold_each_note_once(stranger, notes):
    pages = list(walk(stranger, f"{NOTES}?limit=4"))

    assert [len(page["results"]) for page in pages] == [4, 4, 2]
    assert ids_of(*pages) == [str(note.uuid) for note in notes]


def test_pages_backwards_hold_the_same_in_the_same_order(stranger, notes):
    *_, last = walk(stranger, f"{NOTES}?limit=4")

    pages = [*walk(stranger, last["previous"], "previous")]

    assert [len(page["results"]) for page in pages] == [4, 4]
    assert ids_of(*reversed(pages), last) == [str(note.uuid) for note in notes]


def test_the_first_page_has_no_previous_and_the_last_no_next(stranger, notes):
    first, middle, last = walk(stranger, f"{NOTES}?limit=4")
    back = stranger.get(middle["previous"]).json()

    assert first["previous"] is None
    assert middle["previous"]
    assert middle["next"]
    assert last["next"] is None
    assert (ids_of(back), back["previous"]) == (ids_of(first), None)


@pytest.mark.parametrize("limit", [5, 10, 200])
def test_a_last_page_that_is_just_full_has_no_empty_one_behind_it(stranger, notes, limit):
    *_, last = walk(stranger, f"{NOTES}?limit={limit}")

    assert len(last["results"]) == min(limit, 10)


def test_an_empty_list_is_one_page(stranger, notebook):
    assert stranger.get(NOTES).json() == {"next": None, "previous": None, "results": []}


def test_a_page_holds_fifty_where_no_limit_is_named(stranger, notebook, by):
    create_notes(notebook, by, [{"title": f"Note {number}"} for number in range(51)])

    assert len(stranger.get(NOTES).json()["results"]) == 50


def test_what_is_created_between_two_pages_shifts_none(stranger, notebook, by, notes):
    pages = walk(stranger, f"{NOTES}?limit=3")
    seen = ids_of(next(pages))

    make_note(notebook, by, "Newer", days_later=1)
    make_note(notebook, by, "Older", days_later=-1)
    rest = ids_of(*pages)

    assert [note_id for note_id in seen + rest if note_id in {str(note.uuid) for note in notes}] == [
        str(note.uuid) for note in notes
    ]
    assert (
        len(set(seen + rest)) == len(seen + rest) == 11
    )  # The older one comes at the end, the newer one is behind us.


def test_what_is_created_in_the_same_moment_shifts_none(stranger, notebook, by, notes):
    pages = walk(stranger, f"{NOTES}?limit=3")
    seen = ids_of(next(pages))

    others = {str(make_note(notebook, by, "Between").uuid) for _ in range(4)}
    rest = ids_of(*pages)

    assert [note_id for note_id in seen + rest if note_id not in others] == [str(note.uuid) for note in notes]
    assert len(set(seen + rest)) == len(seen + rest)


@pytest.mark.parametrize("direction", ["next", "previous"])
def test_deleting_the_note_that_the_cursor_names_skips_and_repeats_none(operator, notes, direction):
    first = operator.get(f"{NOTES}?limit=3").json()
    second = operator.get(first["next"]).json()
    named = ids_of(second)[-1 if direction == "next" else 0]

    operator.delete(f"{NOTES}/{named}")
    page = operator.get(second[direction]).json()

    expected = notes[6:9] if direction == "next" else notes[0:3]
    assert ids_of(page) == [str(note.uuid) for note in expected]


def test_pages_stay_whole_while_others_create_and_delete_before_each(operator, notebook, by, notes):
    pages = walk(operator, f"{NOTES}?limit=2")
    seen, deleted = [], set()

    for page in pages:
        seen += ids_of(page)
        make_note(notebook, by, "Newer", days_later=1)
        # Delete the row that the next cursor names, and one ahead of it.
        ahead = [str(note.uuid) for note in notes if str(note.uuid) not in {*seen, *deleted}]
        for note_id in [seen[-1], *ahead[1:2]]:
            operator.delete(f"{NOTES}/{note_id}")
            deleted.add(note_id)

    assert len(seen) == len(set(seen))
    assert {str(note.uuid) for note in notes} - deleted <= set(seen)
    assert seen == [str(note.uuid) for note in notes if str(note.uuid) in seen]


def test_pages_backwards_stay_whole_while_others_create_and_delete(operator, notebook, by, notes):
    *_, last = walk(operator, f"{NOTES}?limit=2")
    seen, deleted = ids_of(last), set()

    for page in walk(operator, last["previous"], "previous"):
        seen = ids_of(page) + seen
        make_note(notebook, by, "Older", days_later=-1)
        operator.delete(f"{NOTES}/{seen[0]}")
        deleted.add(seen[0])

    assert seen == [str(note.uuid) for note in notes]


def test_a_cursor_whose_rest_was_deleted_is_an_empty_last_page(operator, notes):
    first = operator.get(f"{NOTES}?limit=8").json()
    for note in notes[8:]:
        operator.delete(f"{NOTES}/{note.uuid}")

    page = operator.get(first["next"]).json()

    assert page["results"] == []
    assert page["next"] is None


def test_links_keep_the_other_parameters(stranger, notes):
    first = stranger.get(f"{NOTES}?format=json&limit=3").json()
    second = stranger.get(first["next"]).json()

    for link in (first["next"], second["next"], second["previous"]):
        query = parse_qs(urlsplit(link).query)
        assert query.keys() == {"format", "limit", "cursor"}
        assert (query["format"], query["limit"]) == (["json"], ["3"])


def test_links_lead_to_the_address_that_was_asked(stranger, notes):
    response = stranger.get(f"{NOTES}/?limit=3", headers={"Host": "localhost:8000"})

    assert response.json()["next"].startswith(f"http://localhost:8000{NOTES}/?limit=3&cursor=")


def test_the_links_are_in_a_header_too(stranger, notes):
    first = stranger.get(f"{NOTES}?limit=4")
    middle = stranger.get(first.json()["next"])
    last = stranger.get(middle.json()["next"])

    assert first["Link"] == f'<{first.json()["next"]}>; rel="next"'
    assert middle["Link"] == f'<{middle.json()["next"]}>; rel="next", <{middle.json()["previous"]}>; rel="prev"'
    assert last["Link"] == f'<{last.json()["previous"]}>; rel="prev"'
    assert "Link" not in stranger.get(NOTES)


@pytest.mark.parametrize("path", ["trash", "tags", "keys", "notes/{id}/revisions"])
def test_every_list_has_its_links_in_a_header(operator, notebook, path):
    ids = [operator.post(NOTES, {"title": "x", "tags": [f"tag {number}"]}).data["id"] for number in range(4)]
    operator.patch(f"{NOTES}/{ids[0]}", {"title": "New"})
    for note_id in ids[2:]:
        operator.delete(f"{NOTES}/{note_id}")
    for name in ("one", "two"):
        operator.post("/api/v1/keys", {"name": name, "level": "read"})

    page = operator.get(f"/api/v1/{path.format(id=ids[0])}?limit=1")

    assert page["Link"] == f'<{page.json()["next"]}>; rel="next"'


def test_links_that_a_proxy_might_find_too_long_are_in_the_body_alone(stranger, notes):
    ids = ",".join([str(note.uuid) for note in notes] * 10)

    page = stranger.get(NOTES, {"ids": ids, "limit": 4})

    assert page.json()["next"]
    assert "Link" not in page


def test_the_limit_may_change_from_page_to_page(stranger, notes):
    link = stranger.get(f"{NOTES}?limit=3").json()["next"]

    page = stranger.get(link.replace("limit=3", "limit=5")).json()

    assert ids_of(page) == [str(note.uuid) for note in notes[3:8]]


def test_a_cursor_works_with_and_without_the_slash_at_the_end(stranger, notes):
    link = stranger.get(f"{NOTES}?limit=3").json()["next"]

    assert ids_of(stranger.get(link.replace("notes?", "notes/?")).json()) == ids_of(stranger.get(link).json())


@pytest.mark.parametrize(
    "limit", ["0", "-1", "201", "1000000000000000000000000000000", "1.5", "abc", "", " 5", "+5", "٣"]
)
def test_a_limit_that_is_no_number_from_1_to_200_is_a_400_that_names_it(stranger, notebook, limit):
    response = stranger.get(NOTES, {"limit": limit})

    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == ["limit"]


def test_each_page_costs_the_same_queries_whatever_its_place_and_size(stranger, notes):
    middle = stranger.get(f"{NOTES}?limit=3").json()["next"]
    following = stranger.get(middle).json()

    costs = [
        queries_of(stranger, address)
        for address in (NOTES, f"{NOTES}?limit=1", middle, following["next"], following["previous"])
    ]

    assert costs == [2] * 5  # The notebook, the page.


@pytest.fixture
def long_notes(notebook, by):
    """Twenty-five notes, each as long as a note may be."""
    drafts = [{"title": f"Novel {number}", "body": "word " * 20_000} for number in range(25)]
    return sorted(create_notes(notebook, by, drafts), key=lambda note: note.position, reverse=True)


@pytest.mark.parametrize("query", ["", "&q=novel", "&q=word&ordering=created_at"])
def test_long_notes_end_a_page_early_and_the_next_one_goes_on(stranger, long_notes, query):
    pages = list(walk(stranger, f"{NOTES}?limit=200{query}"))

    assert [len(page["results"]) for page in pages] == [20, 5]
    ids = [str(note.uuid) for note in long_notes]
    assert ids_of(*pages) == (ids[::-1] if "created_at" in query else ids)


def test_long_notes_end_a_page_early_backwards_too(stranger, long_notes):
    *_, last = walk(stranger, f"{NOTES}?limit=3")

    link = last["previous"].replace("limit=3", "limit=200")
    pages = list(walk(stranger, link, "previous"))

    assert [len(page["results"]) for page in pages] == [20, 4]
    assert ids_of(*pages[::-1], last) == [str(note.uuid) for note in long_notes]


@pytest.mark.parametrize(
    "address",
    [
        f"{NOTES}?limit=200",
        f"{NOTES}?limit=200&q=novel",
        f"{NOTES}?limit=200&q=novel&ordering=title",
        f"{CHANGES}?limit=200",
    ],
)
def test_no_more_long_notes_are_read_than_are_shown(stranger, notebook, by, address):
    create_notes(notebook, by, [{"title": f"Novel {number}", "body": "x" * 100_000} for number in range(150)])
    stranger.get(address)

    tracemalloc.start()
    page = stranger.get(address).json()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(page["results"]) == 20
    assert peak < 12_000_000  # All bodies alone would be 15 MB.


@pytest.mark.parametrize(("body", "is_short"), [("x" * 10_000, True), ("x" * 10_001, False), ("語" * 3334, False)])
def test_a_body_is_read_with_its_row_up_to_ten_thousand_bytes(notebook, by, body, is_short):
    create_notes(notebook, by, [{"title": "x", "body": body}])

    note = notebook.notes.with_short_bodies().get()

    assert note.short_body == (body if is_short else None)
    assert note.body_bytes == len(body.encode())
    assert note.body == body


def test_a_page_of_short_and_long_notes_shows_all_of_each(stranger, notebook, by):
    bodies = ["", "short", "語" * 100_000, "x" * 100_000, "y" * 10_001]
    create_notes(notebook, by, [{"title": "x", "body": body} for body in bodies])

    for address in (NOTES, f"{NOTES}?q=x", CHANGES):
        assert {note["body"] for note in stranger.get(address).json()["results"]} == set(bodies)


def test_long_notes_without_their_bodies_are_one_page(stranger, long_notes):
    page = stranger.get(f"{NOTES}?limit=200&omit=body").json()

    assert (len(page["results"]), page["next"]) == (25, None)


def test_a_page_whose_hits_are_deleted_meanwhile_is_not_called_the_last(stranger, notebook, notes, monkeypatch):
    find = index.page

    def find_and_lose(*args, **options):
        hits = find(*args, **options)
        notebook.notes.filter(position__in=[hit.position for hit in hits]).update(deleted_at=timezone.now())
        return hits

    monkeypatch.setattr(index, "page", find_and_lose)

    page = stranger.get(f"{NOTES}?limit=3&q=note").json()

    monkeypatch.undo()
    assert page["results"] == []
    assert len(list(walk(stranger, page["next"]))) == 3


def ids_of(*pages):
    return [note["id"] for page in pages for note in page["results"]]


def queries_of(client, address):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert client.get(address).status_code == 200
    return len(queries)
