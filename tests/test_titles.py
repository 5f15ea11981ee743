"""A title shows something: a new one has a visible character, a stored one stays as it is."""

import pytest

from notes import content
from notes.models import Note
from tests.writing import create_old_note

NOTES = "/api/v1/notes"

INVISIBLE = {
    "blanks": "  \t\n",
    "no-break and ideographic space": "\u00a0\u3000",
    "zero width": "\u200b\u200c\u200d\u2060\ufeff",
    "soft hyphen": "\u00ad",
    "bidi": "\u200e\u200f\u202e\u2066\u2069",
    "control": "\x01\x7f\x85",
    "Braille blank": "\u2800",
    "Hangul fillers": "\u115f\u1160\u3164\uffa0",
    "marks alone": "\u0301\u0488\u0903",
    "variation selectors": "\ufe0f\U000e0100",
    "tags": "\U000e0001\U000e0041",
    "kept for invisible ones": "\u2065\ufff0\U000e0fff",
    "a note without a head": "\U0001d159",
}
VISIBLE = {
    "a letter": "a",
    "between invisible ones": "\u200b\u2066 x \u2069",
    "punctuation": "?",
    "a symbol": "€",
    "an emoji": "\U0001f600",
    "an emoji newer than Python": "\U0001faea",
    "flag": "\U0001f1e9\U0001f1ea",
    "Chinese": "中",
    "Hangul": "한",
    "a letter with a mark": "e\u0301",
    "for private use": "\ue000",
    "Braille": "\u2801",
}

invisible = pytest.mark.parametrize("title", INVISIBLE.values(), ids=INVISIBLE)


@pytest.fixture
def unseen(notebook, by):
    """A note from a time before the rule."""
    return create_old_note(notebook, by, title="\u200b", body="One", tags=["work"])


def batch(*items):
    return {"operations": list(items)}


@invisible
def test_a_text_without_a_visible_character(title):
    assert not content.is_visible(title)


@pytest.mark.parametrize("title", VISIBLE.values(), ids=VISIBLE)
def test_a_text_with_a_visible_character(operator, title):
    assert content.is_visible(title)
    assert operator.post(NOTES, {"title": title}).json()["title"] == title


@invisible
def test_a_new_title_that_shows_nothing_is_refused_by_name(operator, note, title):
    address = f"{NOTES}/{note.uuid}"
    tries = [
        operator.post(NOTES, {"title": title}),
        operator.put(address, {"title": title}),
        operator.patch(address, {"title": title}),
        operator.put(f"{NOTES}/{'0' * 8}-0000-4000-8000-{'0' * 12}", {"title": title}, headers={"If-None-Match": "*"}),
        operator.post("/api/v1/batch", batch({"op": "create", "title": title})),
        operator.post("/api/v1/batch", batch({"op": "patch", "id": str(note.uuid), "title": title})),
    ]

    for response in tries:
        assert response.status_code == 400
        [error] = response.json()["errors"]
        assert error["field"].split(".")[-1] == "title"
        assert error["code"] == "blank"
    assert list(Note.objects.values_list("title", flat=True)) == ["Plan"]


def test_a_note_with_an_invisible_title_cannot_get_another_invisible_one(operator, unseen):
    assert operator.patch(f"{NOTES}/{unseen.uuid}", {"title": "\u2060"}).status_code == 400


def test_a_note_with_such_a_title_stays_editable(operator, unseen):
    address = f"{NOTES}/{unseen.uuid}"
    read = operator.get(address).json()

    writes = [
        operator.patch(address, {"body": "Two"}),
        operator.put(address, {"title": read["title"], "body": "Three"}),
        operator.post(f"{address}/append", {"text": "."}),
        operator.patch(address, {"title": "Seen"}),
        operator.post(f"{address}/revisions/1/restore"),
        operator.post("/api/v1/batch", batch({"op": "update", "id": str(unseen.uuid), "title": "\u200b"})),
        operator.delete(address),
        operator.post(f"{address}/restore"),
    ]

    assert [response.status_code for response in writes] == [200, 200, 200, 200, 200, 200, 204, 200]
    assert operator.get(address).json()["title"] == "\u200b"
