"""No lost update: ETag, If-Match, If-None-Match."""

import uuid

import pytest
import yaml
from django.core.management import call_command
from django.urls import resolve

from notes.door import Door
from notes.models import ApiKey, Note, Notebook, Revision
from notes.search import index
from notesproject.environment import BASE_DIR
from tests.people import make_key
from tests.problems import fields_of
from tests.server import serving
from tests.wire import Connection

NOTES = "/api/v1/notes"


@pytest.fixture
def url(note):
    return f"{NOTES}/{note.uuid}"


def test_the_etag_of_a_note_is_its_revision_and_the_epoch(operator, url, notebook):
    created = operator.post(NOTES, {"title": "x"})
    epoch = operator.get("/api/v1/me").json()["epoch"][:8]

    assert operator.get(url)["ETag"] == f'"1-{epoch}"'
    assert created["ETag"] == f'"2-{epoch}"'
    assert operator.patch(url, {"title": "New"})["ETag"] == f'"3-{epoch}"'
    assert operator.get(url, headers={"If-None-Match": f'"3-{epoch}"'})["ETag"] == f'"3-{epoch}"'


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_a_write_to_a_note_that_has_changed_is_a_412_with_the_note_that_won(operator, url, note, method):
    read = operator.get(url)["ETag"]
    operator.patch(url, {"title": "Won"})

    response = getattr(operator, method)(url, {"title": "Lost"}, headers={"If-Match": read})

    assert response.status_code == 412
    assert response.json()["code"] == "precondition_failed"
    assert response.json()["current"] == operator.get(url).json()
    assert response["ETag"] == operator.get(url)["ETag"]
    assert operator.get(url).data["title"] == "Won"


@pytest.mark.parametrize("tag", ["{0}", "W/{0}", '"999", {0}', "*", ' "7" ,\tW/{0} '])
def test_a_matching_if_match_lets_the_write_through(operator, url, tag):
    response = operator.patch(url, {"title": "New"}, headers={"If-Match": tag.format(operator.get(url)["ETag"])})

    assert response.status_code == 200


@pytest.mark.parametrize("tag", ['"1"', '"999"', '"1-00000000"', '"abc"', '"01"', '""', '"9999999999999999999999"'])
def test_a_well_formed_tag_of_another_state_is_a_412(operator, url, tag):
    assert operator.patch(url, {"title": "New"}, headers={"If-Match": tag}).status_code == 412


@pytest.mark.parametrize("tag", ["1", '"1', "", ",", '"1" "2"', '"1",', "w/*", "W/1", "'1'", '*, "1"'])
def test_a_malformed_tag_is_a_400_that_names_the_header(operator, url, tag):
    for header in ("If-Match", "If-None-Match"):
        response = operator.patch(url, {"title": "New"}, headers={header: tag})

        assert response.status_code == 400
        assert response.json()["errors"][0]["field"] == header


def test_put_with_if_none_match_creates_but_never_replaces(operator):
    url = f"{NOTES}/{uuid.uuid4()}"

    created = operator.put(url, {"title": "First"}, headers={"If-None-Match": "*"})
    second = operator.put(url, {"title": "Second"}, headers={"If-None-Match": "*"})

    assert (created.status_code, created["Location"]) == (201, f"http://testserver{url}")
    assert second.status_code == 412
    assert second.json()["current"]["title"] == "First"


def test_put_without_if_none_match_creates_nothing(operator):
    assert operator.put(f"{NOTES}/{uuid.uuid4()}", {"title": "x"}).status_code == 404


def test_put_does_not_create_over_a_deleted_note(operator, url):
    operator.delete(url)

    response = operator.put(url, {"title": "x"}, headers={"If-None-Match": "*"})

    assert (response.status_code, response.json()["code"]) == (409, "id_taken")


@pytest.fixture
def etag_before_the_restore(operator, url, note, notebook):
    """The ETag of the note's second state, which a backup did not have. Its number is given to another state then."""
    lost = operator.patch(url, {"title": "Lost"})["ETag"]
    Revision.objects.filter(number=2).delete()
    Note.objects.filter(pk=note.pk).update(title="Plan", revision=1)
    Notebook.objects.filter(pk=notebook.pk).update(revision=1)
    index.refresh([note])
    call_command("renew_epoch")
    assert operator.patch(url, {"title": "Other"}).data["revision"] == 2
    return lost


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_an_etag_from_before_a_restore_is_a_412(operator, url, etag_before_the_restore, method):
    headers = {"If-Match": etag_before_the_restore}

    response = getattr(operator, method)(url, {"title": "Blind"}, headers=headers)

    assert response.status_code == 412
    assert response.json()["current"]["title"] == "Other"
    assert operator.get(url, headers=headers).status_code == 412
    assert operator.patch(url, {"title": "Seen"}, headers={"If-Match": response["ETag"]}).status_code == 200


def test_a_read_with_an_etag_from_before_a_restore_is_no_304(operator, url, etag_before_the_restore):
    response = operator.get(url, headers={"If-None-Match": etag_before_the_restore})

    assert (response.status_code, response.data["title"]) == (200, "Other")


def test_a_read_of_a_known_state_is_a_304(operator, url):
    tag = operator.get(url)["ETag"]

    assert operator.get(url, headers={"If-None-Match": tag}).status_code == 304
    assert operator.get(url, headers={"If-None-Match": f"W/{tag}"}).content == b""
    operator.patch(url, {"title": "New"})
    assert operator.get(url, headers={"If-None-Match": tag}).status_code == 200


def test_a_list_that_has_not_changed_is_a_304_after_one_query(operator, url, django_assert_num_queries):
    tag = operator.get(NOTES)["ETag"]

    with django_assert_num_queries(1):
        response = operator.get(NOTES, headers={"If-None-Match": tag})

    assert response.status_code == 304
    operator.delete(url)
    assert operator.get(NOTES, headers={"If-None-Match": tag}).status_code == 200


def test_an_answer_without_a_body_has_no_length(transactional_db, notebook, by):
    with Door(notebook, by) as door:
        url = f"{NOTES}/{door.create(title='Plan').uuid}"
    with serving() as server, Connection(server.url) as connection:
        tag = connection.send("GET", url).headers["etag"]
        answers = [connection.send("GET", url, headers={"If-None-Match": tag}), connection.send("DELETE", url)]

    assert [answer.status for answer in answers] == [304, 204]
    for answer in answers:
        assert not {"content-length", "content-type"} & {name.lower() for name in answer.headers}


def test_an_etag_does_not_depend_on_the_key(operator, stranger, url):
    for address in (NOTES, url):
        assert operator.get(address)["ETag"] == stranger.get(address)["ETag"]


def test_a_page_for_people_has_no_etag(operator, url):
    for address in (NOTES, url):
        assert "ETag" not in operator.get(address, headers={"Accept": "text/html"})


@pytest.mark.parametrize("header", ["If-None-Match", "If-Match"])
def test_a_page_for_people_is_shown_whatever_json_the_browser_has(operator, url, header):
    for address in (NOTES, url):
        tag = operator.get(address)["ETag"] if header == "If-None-Match" else '"another state"'
        response = operator.get(address, headers={"Accept": "text/html", header: tag})

        assert response.status_code == 200
        assert response["Content-Type"].startswith("text/html")


def test_a_read_that_wants_another_state_is_a_412(operator, url, note):
    response = operator.get(url, headers={"If-Match": f'"{note.revision + 1}"'})

    assert response.status_code == 412
    assert response.json()["current"]["revision"] == note.revision
    assert operator.get(url, headers={"If-Match": operator.get(url)["ETag"]}).status_code == 200


@pytest.mark.parametrize("bad", ["cursor=x", "limit=0", "ordering=x", "color=red"])
def test_what_would_be_a_400_is_no_304(operator, note, bad):
    tag = operator.get(NOTES)["ETag"]

    assert operator.get(f"{NOTES}?{bad}", headers={"If-None-Match": tag}).status_code == 400


def test_answers_tell_caches_that_the_key_matters(stranger, url):
    for address in (NOTES, url):
        response = stranger.get(address)

        assert {"X-API-Key", "Authorization"} <= set(response["Vary"].split(", "))
        assert "no-cache" in response["Cache-Control"]


def test_strict_mode_wants_if_match(operator, url, settings):
    settings.NOTES_REQUIRE_IF_MATCH = True

    for method in (operator.put, operator.patch, operator.delete):
        response = method(url, {"title": "New"})
        assert (response.status_code, response.json()["code"]) == (428, "precondition_required")
    assert operator.patch(url, {"title": "New"}, headers={"If-Match": operator.get(url)["ETag"]}).status_code == 200
    assert operator.post(NOTES, {"title": "x"}).status_code == 201
    assert operator.post(f"{url}/append", {"text": "x"}).status_code == 200


def test_strict_mode_wants_if_match_when_a_revision_is_restored(operator, url, settings):
    operator.patch(url, {"title": "New"})
    settings.NOTES_REQUIRE_IF_MATCH = True

    blind = operator.post(f"{url}/revisions/1/restore")
    title = operator.get(url).data["title"]
    seen = operator.post(f"{url}/revisions/1/restore", headers={"If-Match": operator.get(url)["ETag"]})

    assert (blind.status_code, blind.json()["code"], title) == (428, "precondition_required", "New")
    assert (seen.status_code, seen.data["title"]) == (200, "Plan")


def test_strict_mode_lets_a_note_out_of_the_trash_which_overwrites_nothing(operator, url, settings):
    operator.delete(url)
    settings.NOTES_REQUIRE_IF_MATCH = True

    assert operator.post(f"{url}/restore").status_code == 200


def test_a_refused_write_leaves_no_trace(operator, url):
    operator.patch(url, {"title": "New"}, headers={"If-Match": '"999"'})

    assert Revision.objects.count() == 1


def test_no_other_header_gets_around_strict_mode(operator, url, note, settings):
    settings.NOTES_REQUIRE_IF_MATCH = True

    assert operator.patch(url, {"title": "New"}, headers={"If-None-Match": '"zzz"'}).status_code == 428
    operator.delete(url, headers={"If-Match": '"1"'})
    assert operator.delete(f"/api/v1/trash/{note.uuid}").status_code == 428


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("post", NOTES, {"title": "x"}),
        ("post", "/api/v1/batch", {"operations": [{"op": "create", "title": "x"}]}),
        ("post", "/api/v1/tags/rename", {"tag": "work", "name": "job"}),
        ("post", "/api/v1/keys", {"name": "x", "level": "read"}),
        ("delete", "/api/v1/keys/{key}", None),
    ],
)
def test_a_condition_that_a_write_would_ignore_is_a_400_that_names_it(
    operator, note, notebook, header, method, path, body
):
    key, _ = make_key(notebook)

    response = getattr(operator, method)(path.format(key=key.pk), body, headers={header: '"1"'})

    assert fields_of(response) == [header]
    assert (Revision.objects.count(), ApiKey.objects.filter(revoked_at=None).count()) == (1, 1)


def test_the_document_names_the_conditions_that_are_looked_at():
    """It names no others: one table says what a write takes and what it refuses because it would ignore it."""
    document = yaml.safe_load((BASE_DIR / "openapi.yaml").read_text())
    for path, item in document["paths"].items():
        for method in item.keys() & {"post", "put", "patch", "delete"}:
            view = resolve(path.replace("{number}", "1").replace("{id}", str(uuid.uuid4()))).func
            names = {parameter["name"] for parameter in item[method].get("parameters", [])}
            is_conditional = view.cls.conditional_actions and view.actions[method] in view.cls.conditional_actions
            assert bool(is_conditional) == ("If-Match" in names), (method, path)


def test_put_with_if_match_creates_nothing(operator):
    headers = {"If-Match": '"5"', "If-None-Match": "*"}

    assert operator.put(f"{NOTES}/{uuid.uuid4()}", {"title": "x"}, headers=headers).status_code == 404
