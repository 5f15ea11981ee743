"""The notes of the article: create, list, read, replace, change, delete."""

import uuid

import pytest

from notes.models import Note, Revision

NOTES = "/api/v1/notes"


def test_a_new_note_is_a_201_with_its_address(operator):
    response = operator.post(NOTES, {"title": "Plan", "body": "Rest", "tags": ["home"]})

    assert response.status_code == 201
    assert response.data.keys() == {
        *("id", "title", "body", "tags", "metadata", "revision", "created_at", "updated_at")
    }
    assert response.data["title"] == "Plan"
    assert response["Location"] == f"http://testserver{NOTES}/{response.data['id']}"
    assert operator.get(response["Location"]).data == response.data
    assert "?" not in operator.post(f"{NOTES}?format=json", {"title": "x"})["Location"]


def test_a_note_made_here_has_a_uuid_of_version_7_and_times_in_utc(operator):
    note = operator.post(NOTES, {"title": "Plan"}).json()

    assert uuid.UUID(note["id"]).version == 7
    assert note["created_at"].endswith("Z")
    assert note["updated_at"] == note["created_at"]


def test_a_client_may_choose_the_id(operator):
    chosen = str(uuid.uuid4())

    response = operator.post(NOTES, {"id": chosen, "title": "Plan"})

    assert response.status_code == 201
    assert response.data["id"] == chosen


def test_an_id_that_is_taken_is_a_409_even_when_its_note_was_deleted(operator, note):
    operator.delete(f"{NOTES}/{note.uuid}")

    response = operator.post(NOTES, {"id": str(note.uuid), "title": "Plan"})

    assert response.status_code == 409
    assert response.json()["code"] == "id_taken"


def test_the_list_shows_the_newest_first(operator):
    ids = [operator.post(NOTES, {"title": f"Note {number}"}).data["id"] for number in range(3)]

    response = operator.get(NOTES)

    assert response.status_code == 200
    assert [row["id"] for row in response.data["results"]] == ids[::-1]


def test_put_replaces_the_whole_note(operator, note):
    response = operator.put(f"{NOTES}/{note.uuid}", {"title": "New"})

    assert response.status_code == 200
    assert (response.data["title"], response.data["body"], response.data["tags"]) == ("New", "", [])


def test_patch_changes_only_what_is_sent(operator, note):
    response = operator.patch(f"{NOTES}/{note.uuid}", {"title": "New"})

    assert response.status_code == 200
    assert (response.data["title"], response.data["body"], response.data["tags"]) == ("New", "One\nTwo\n", ["work"])


def test_what_was_read_may_be_sent_back_whole(operator, note):
    read = operator.get(f"{NOTES}/{note.uuid}").json()

    response = operator.put(f"{NOTES}/{note.uuid}", {**read, "title": "New"})

    assert response.status_code == 200
    assert response.data["title"] == "New"


def test_a_write_that_changes_nothing_takes_no_number(operator, note):
    response = operator.patch(f"{NOTES}/{note.uuid}", {"title": "Plan", "tags": ["work"]})

    assert response.status_code == 200
    assert response.data["revision"] == note.revision
    assert Revision.objects.count() == 1


def test_a_deleted_note_is_out_of_sight_and_its_row_stays(operator, note):
    response = operator.delete(f"{NOTES}/{note.uuid}")

    assert response.status_code == 204
    assert operator.get(f"{NOTES}/{note.uuid}").status_code == 404
    assert operator.get(NOTES).data["results"] == []
    assert operator.delete(f"{NOTES}/{note.uuid}").status_code == 404
    assert Note.objects.get(pk=note.pk).body == "One\nTwo\n"


@pytest.mark.parametrize("unknown", [uuid.UUID(int=7), "abc", "1", "{0}", "%00", "urn:uuid:x"])
def test_an_unknown_id_is_a_404(operator, note, unknown):
    for method in (operator.get, operator.put, operator.patch, operator.delete):
        response = method(f"{NOTES}/{unknown}", {"title": "x"} if method != operator.get else None)

        assert response.status_code == 404
        assert response.json()["detail"] == "Note not found."


def test_every_path_works_with_a_slash_at_its_end_too(operator, note):
    assert operator.get(f"{NOTES}/").status_code == 200
    assert operator.post(f"{NOTES}/", {"title": "Plan"}).status_code == 201
    assert operator.get(f"{NOTES}/{note.uuid}/").status_code == 200
    assert operator.patch(f"{NOTES}/{note.uuid}/", {"title": "x"}).status_code == 200
    assert operator.delete(f"{NOTES}/{note.uuid}/").status_code == 204


def test_head_and_options_answer_without_a_body(operator, note):
    assert operator.head(f"{NOTES}/{note.uuid}").status_code == 200
    assert "PUT" in operator.options(f"{NOTES}/{note.uuid}")["Allow"]


def test_every_write_takes_the_next_number_and_leaves_a_log_row(operator, notebook):
    url = operator.post(NOTES, {"title": "One"})["Location"]
    operator.patch(url, {"title": "Two"}, headers={"X-Request-ID": "second"})
    operator.delete(url)

    notebook.refresh_from_db()
    log = [(row.number, row.action, row.title) for row in Revision.objects.order_by("number")]

    assert log == [(1, "create", "One"), (2, "edit", "Two"), (3, "trash", "Two")]
    assert notebook.revision == 3
    assert Revision.objects.get(number=2).request_id == "second"
    assert Revision.objects.get(number=2).writer == "operator"


@pytest.mark.parametrize(
    "text", ["  indented\n", "\n\n", "tab\there", "ﬁ ﬀ", "e\u0301", "👩‍👩‍👧", "\u202eabc", "\r\n", "\ufeffx"]
)
def test_text_comes_back_byte_for_byte(operator, text):
    url = operator.post(NOTES, {"title": f"{text}x", "body": text})["Location"]

    assert operator.get(url).json()["title"] == f"{text}x"
    assert operator.get(url).json()["body"] == text


def test_tags_are_trimmed_composed_and_unique_whatever_their_case(operator):
    response = operator.post(NOTES, {"title": "x", "tags": [" Home ", "home", "cafe\u0301", "CAFÉ", "work"]})

    assert response.data["tags"] == ["Home", "caf\u00e9", "work"]


def test_a_clock_set_back_does_not_make_a_note_older(operator, note, monkeypatch):
    before = operator.get(f"{NOTES}/{note.uuid}").data["updated_at"]
    monkeypatch.setattr("django.utils.timezone.now", lambda: note.created_at.replace(year=1999))

    response = operator.patch(f"{NOTES}/{note.uuid}", {"title": "New"})

    assert response.data["updated_at"] == before
