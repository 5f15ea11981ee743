"""The door: unknown, malformed or too large input is a 4xx that names it, and nothing is stored."""

import base64
import json
import threading
import time
import tracemalloc
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings as project_settings
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from rest_framework.exceptions import ValidationError
from rest_framework.serializers import CharField

from notes.api.fields import Text
from notes.api.operations import valid
from notes.api.serializers import NoteSerializer
from notes.models import Note, Revision
from tests.problems import fields_of, problem_of
from tests.writing import create_note

NOTES = "/api/v1/notes"


@pytest.fixture
def nothing_stored(notebook, note):
    """Checks after the test that notes, log and counter are as they were."""
    before = stored(notebook)
    yield
    assert stored(notebook) == before


def stored(notebook):
    notebook.refresh_from_db()
    return list(Note.objects.values()), Revision.objects.count(), notebook.revision


@pytest.fixture(params=["POST", "PUT", "PATCH"])
def write(request, operator, note, nothing_stored):
    """Send a body with each method that takes one: text as it is, anything else as JSON."""

    def send(body, content_type="application/json", **extra):
        url = NOTES if request.param == "POST" else f"{NOTES}/{note.uuid}"
        if not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        return operator.generic(request.param, url, body, content_type=content_type, **extra)

    return send


def send(client, body):
    return client.generic("POST", NOTES, body, content_type="application/json")


# Fields


@pytest.mark.parametrize("value", [123, 1.5, True, None, [], ["x"], {}, {"x": "y"}])
@pytest.mark.parametrize("field", ["title", "body"])
def test_text_of_another_type_is_refused_by_name(write, field, value):
    response = write({"title": "Plan", field: value})

    assert fields_of(response) == [field]


@pytest.mark.parametrize("value", [123, 1.5, True, None, "home", {}, {"0": "home"}])
def test_tags_that_are_no_list_are_refused_by_name(write, value):
    response = write({"title": "Plan", "tags": value})

    assert fields_of(response) == ["tags"]


@pytest.mark.parametrize(
    "tag", [1, True, None, [], ["x"], {}, "", " ", "\t\n", "\u3000", "a,b", ",", "x" * 51, "\U0001f600" * 51]
)
def test_a_tag_that_is_none_is_refused_by_its_place(write, tag):
    response = write({"title": "Plan", "tags": ["fine", tag]})

    assert fields_of(response) == ["tags.1"]


@pytest.mark.parametrize(
    "value",
    [
        1,
        True,
        None,
        [],
        {},
        "",
        "abc",
        "{0190f1c2-7a3b-7c4d-8e5f-001122334455}",
        "0190f1c27a3b7c4d8e5f001122334455",
        "urn:uuid:0190f1c2-7a3b-7c4d-8e5f-001122334455",
        " 0190f1c2-7a3b-7c4d-8e5f-001122334455",
        "x" * 10000,
    ],
)
def test_a_chosen_id_that_is_no_uuid_is_refused(operator, nothing_stored, value):
    response = operator.post(NOTES, {"title": "Plan", "id": value})

    assert fields_of(response) == ["id"]


@pytest.mark.parametrize("title", ["", "x" * 201, "\U0001f600" * 201])
def test_a_title_has_1_to_200_characters(write, title):
    response = write({"title": title})

    assert fields_of(response) == ["title"]


@pytest.mark.parametrize("title", ["x", "x" * 200, "\U0001f600" * 200, " x\n"])
def test_a_title_within_the_limits_is_kept(operator, title):
    response = operator.post(NOTES, {"title": title})

    assert response.status_code == 201
    assert operator.get(response["Location"]).json()["title"] == title


def test_a_missing_title_is_refused_by_name(operator, nothing_stored):
    response = operator.post(NOTES, {"body": "x"})

    assert problem_of(response, 400)["errors"] == [
        {"field": "title", "code": "required", "detail": "This field is required."}
    ]


def test_a_body_may_be_as_long_as_the_limit(operator):
    body = "\U0001f600" * project_settings.NOTES_MAX_BODY_CHARS

    response = operator.post(NOTES, {"title": "Long", "body": body})

    assert response.status_code == 201
    assert Note.objects.get(title="Long").body == body


def test_a_body_over_the_limit_is_refused(write):
    response = write({"title": "Long", "body": "x" * (project_settings.NOTES_MAX_BODY_CHARS + 1)})

    assert fields_of(response) == ["body"]


def test_fifty_tags_of_fifty_characters_are_kept(operator):
    tags = [f"{number:02}" + "\U0001f600" * 48 for number in range(50)]

    response = operator.post(NOTES, {"title": "Plan", "tags": tags})

    assert response.status_code == 201
    assert response.data["tags"] == tags


def test_a_fifty_first_tag_is_refused(write):
    response = write({"title": "Plan", "tags": [str(number) for number in range(51)]})

    assert fields_of(response) == ["tags"]


def test_every_unknown_field_is_named(write):
    response = write({"title": "Plan", "titel": "Plan", "pinned": True, "tags": [1]})

    assert sorted(fields_of(response)) == ["pinned", "tags.0", "titel"]


@pytest.mark.parametrize("name", ["deleted_at", "notebook", "uuid", "csrfmiddlewaretoken", "__class__", "", "Title"])
def test_columns_and_other_names_are_unknown_fields(write, name):
    response = write({"title": "Plan", name: "x"})

    assert fields_of(response) == [name]


def test_unknown_fields_called_message_and_code_are_named(write):
    response = write({"title": "Plan", "message": "x", "code": "y"})

    assert sorted(fields_of(response)) == ["code", "message"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("revision", 99),
        ("revision", "1"),
        ("id", str(uuid.UUID(int=7))),
        ("id", None),
        ("created_at", "2020-01-01T00:00:00Z"),
        ("updated_at", None),
        ("updated_at", ["x"]),
    ],
)
@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_changed_read_only_field_is_refused_by_name(operator, note, nothing_stored, method, field, value):
    url = f"{NOTES}/{note.uuid}"
    read = operator.get(url).json()

    response = getattr(operator, method)(url, {**read, "title": "New", field: value})

    assert fields_of(response) == [field]
    assert response.json()["errors"][0]["code"] == "read_only"


@pytest.mark.parametrize("method", ["put", "patch"])
def test_unchanged_read_only_fields_are_taken(operator, note, method):
    url = f"{NOTES}/{note.uuid}"
    read = operator.get(url).json()

    response = getattr(operator, method)(url, {**read, "title": "New"})

    assert response.status_code == 200
    assert response.data["title"] == "New"


def test_a_new_note_cannot_set_what_the_server_sets(operator, nothing_stored):
    response = operator.post(NOTES, {"title": "Plan", "revision": 1})

    assert fields_of(response) == ["revision"]


@pytest.mark.parametrize("count", [9_000, 200_000])
def test_very_many_wrong_fields_or_tags_are_refused_quickly_and_briefly(operator, nothing_stored, count):
    many_fields = json.dumps({"title": "Plan", **{str(number): 0 for number in range(count)}})
    many_tags = json.dumps({"title": "Plan", "tags": [0] * count})

    for body in (many_fields, many_tags):
        started = time.monotonic()
        response = send(operator, body)

        assert problem_of(response, 400)
        assert len(response.content) < 20_000
        assert time.monotonic() - started < 5


# Query parameters


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("colour=red", "colour"),
        ("limit=1&limit=1", "limit"),
        ("limit=1%00", "limit"),
        ("cursor=%00", "cursor"),
        ("cursor=a&cursor=b", "cursor"),
        ("a%00b=1", "a\\x00b"),
        ("a%0Ab=1", "a\\nb"),
        ("%FF=1", "\\ufffd"),
        ("%ED%A0%80=1", "\\ufffd\\ufffd\\ufffd"),
        ("=1", ""),
        ("LIMIT=1", "LIMIT"),
        ("deleted_at=x", "deleted_at"),
        ("page=2", "page"),
    ],
)
def test_a_query_parameter_that_is_unknown_doubled_or_has_a_nul_is_refused_by_name(operator, note, query, field):
    response = operator.get(f"{NOTES}?{query}")

    assert fields_of(response) == [field]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD"])
def test_no_method_takes_an_unknown_query_parameter(operator, note, nothing_stored, method):
    url = NOTES if method == "POST" else f"{NOTES}/{note.uuid}"

    response = operator.generic(method, f"{url}?dry_run=1", '{"title": "x"}', content_type="application/json")

    assert response.status_code == 400


@pytest.mark.parametrize(
    "limit",
    [
        "0",
        "201",
        "-1",
        "x",
        "1e3",
        "1" * 30,
        "1" * 5000,
        "\u0661\u0660",
        "",
        " 5",
        "5 ",
        "+5",
        "5.0",
        "0x5",
        "1_0",
        "²",
    ],
)
def test_a_limit_that_is_no_number_from_1_to_200_is_refused(operator, note, limit):
    response = operator.get(NOTES, {"limit": limit})

    assert fields_of(response) == ["limit"]


@pytest.mark.parametrize("limit", ["1", "200"])
def test_a_limit_from_1_to_200_is_taken(operator, note, limit):
    assert operator.get(NOTES, {"limit": limit}).status_code == 200


@pytest.fixture
def cursor(operator, notebook, by):
    for number in range(3):
        create_note(notebook, by, title=f"Note {number}")
    return cursor_in(operator.get(NOTES, {"limit": 1}).json()["next"])


def cursor_in(link):
    return link.partition("cursor=")[2].replace("%3A", ":")


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "x",
        "!!!!",
        ":",
        "a:b",
        "a:b:c",
        "bnVsbA==",
        "\ud7ff",
        "é" * 100,
        "x" * 10000,
        "." * 50,
        "WyJhIl0:x",
        base64.urlsafe_b64encode(b'["x", false, ["2026-01-01", "x"]]').decode(),
        "null",
        "[]",
        "0",
        "-1",
    ],
)
def test_a_cursor_that_was_not_made_here_is_refused(operator, note, garbage):
    response = operator.get(NOTES, {"cursor": garbage})

    assert fields_of(response) == ["cursor"]


@pytest.mark.parametrize(
    "tamper",
    [
        lambda cursor: cursor[:-1],
        lambda cursor: cursor + "x",
        lambda cursor: cursor + "=",
        lambda cursor: cursor + "\n",
        lambda cursor: " " + cursor,
        lambda cursor: "!" + cursor,
        lambda cursor: ("b" if cursor[0] == "a" else "a") + cursor[1:],
        lambda cursor: cursor.replace(":", "=:"),
        lambda cursor: cursor.swapcase(),
        lambda cursor: f".{cursor}",
    ],
)
def test_a_tampered_cursor_is_refused(operator, cursor, tamper):
    response = operator.get(NOTES, {"cursor": tamper(cursor)})

    assert fields_of(response) == ["cursor"]


def test_a_cursor_of_another_list_is_refused(operator, notebook, by, cursor):
    from django.core import signing

    signer = signing.Signer(salt="notes.cursor")
    _, backwards, position = signer.unsign_object(cursor)
    foreign = signer.sign_object(["0" * 16, backwards, position])

    response = operator.get(NOTES, {"cursor": foreign})

    assert fields_of(response) == ["cursor"]


def test_a_cursor_of_another_server_is_refused(operator, cursor):
    from django.core import signing

    foreign = signing.Signer(key="the key of another server", salt="notes.cursor")
    signed_there = foreign.sign_object(signing.Signer(salt="notes.cursor").unsign_object(cursor))

    response = operator.get(NOTES, {"cursor": signed_there})

    assert fields_of(response) == ["cursor"]


def test_a_cursor_works_with_another_limit_with_a_slash_and_for_a_stranger(operator, stranger, cursor):
    expected = operator.get(NOTES, {"cursor": cursor, "limit": 2}).json()["results"]

    assert len(expected) == 2
    assert operator.get(f"{NOTES}/", {"cursor": cursor}).json()["results"] == expected
    assert stranger.get(NOTES, {"cursor": cursor}).json()["results"] == expected


# JSON


@pytest.mark.parametrize("escape", ["\\u0000", "x\\u0000y", "\\ud800", "\\udfff\\ud800", "x\\udc00"])
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"title": "%s"}', "title"),
        ('{"title": "x", "body": "%s"}', "body"),
        ('{"title": "x", "tags": ["a", "%s"]}', "tags.1"),
        ('{"title": "x", "id": "%s"}', "id"),
        ('{"title": "x", "revision": "%s"}', "revision"),
        ('{"title": "x", "%s": 1}', ""),
        ('{"title": "x", "meta": {"%s": 1}}', "meta"),
        ('{"title": "x", "meta": {"deep": [{"er": "%s"}]}}', "meta.deep.0.er"),
        ('"%s"', ""),
    ],
)
def test_nul_and_lone_surrogates_are_refused_where_they_stand(write, body, field, escape):
    response = write(body % escape)

    assert fields_of(response) == [field]


def test_a_pair_of_surrogates_is_one_character(operator):
    response = send(operator, '{"title": "\\ud83d\\ude00"}')

    assert response.status_code == 201
    assert response.json()["title"] == "\U0001f600"


@pytest.mark.parametrize(
    "body",
    [
        '{"title": NaN}',
        '{"title": "x", "revision": Infinity}',
        '{"title": "x", "revision": -Infinity}',
        '{"title": "x", "revision": 1e999}',
        '{"title": "x", "revision": -1e999}',
        f'{{"title": "x", "revision": {"9" * 5000}}}',
        '{"title": "x", "title": "y"}',
        '{"title": "x", "meta": {"a": 1, "a": 1}}',
        '{"title": "x", "ti\\u0074le": "y"}',
        "[" * 20_000 + "]" * 20_000,
        '{"title": ' + "[" * 20_000 + "]" * 20_000 + "}",
        '{"a":' * 20_000 + "1" + "}" * 20_000,
        "[" * 1_000_000,
        '{"title": ' + "[" * 30 + "]" * 30 + "}",
        '\ufeff{"title": "x"}',
        b'{"title": "\xff"}',
        b'{"title": "\xed\xa0\x80"}',
        b'{"title": "\xc0\x80"}',
        '{"title": "x"}'.encode("utf-16"),
        '{"title": "x"}'.encode("utf-32-le"),
        b'{"title": "\x00"}',
        '{"title": "a\nb"}',
        "{'title': 'x'}",
        '{"title": "x",}',
        '{"title": "x"} {"title": "y"}',
        '{"title": "x"',
        "{title: 1}",
        "/* */ {}",
        "+1",
        "01",
        "undefined",
        " ",
        "\x00",
    ],
    ids=lambda body: ascii(body[:30]),
)
def test_what_is_not_json_is_a_400(write, body):
    response = write(body)

    assert fields_of(response) == [""]
    assert "sys." not in response.json()["detail"]


@pytest.mark.parametrize("body", ["null", "[]", '[{"title": "x"}]', '"x"', "1", "0", "true", "false", '""'])
def test_json_that_is_no_object_is_a_400(write, body):
    response = write(body)

    assert fields_of(response) == [""]


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_an_empty_body_is_a_400(operator, note, nothing_stored, method):
    url = NOTES if method == "POST" else f"{NOTES}/{note.uuid}"

    response = operator.generic(method, url, "", content_type="application/json")

    assert fields_of(response) == ["title"]


def test_a_duplicate_among_thousands_of_names_is_found_quickly(operator, nothing_stored):
    names = [f'"{number}":0' for number in range(9_000)]
    started = time.monotonic()

    response = send(operator, "{" + ",".join([*names, '"last":0', '"last":0']) + "}")

    assert "'last'" in problem_of(response, 400)["detail"]
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "body",
    [
        "[" + ",".join(["[]"] * 800_000) + "]",
        "[" + ",".join(['{"a":{}}'] * 250_000) + "]",
        "[" + ",".join(['"\\n"'] * 480_000) + "]",
        "[" * 1_200_000,
        '{"title":"' + "," * 20_000 + '","body":[' + ",".join(["0"] * 10_000) + "]}",
    ],
    ids=["lists", "objects", "strings", "unclosed", "with text"],
)
def test_too_many_values_are_refused_before_they_are_made(operator, nothing_stored, body):
    response, peak = with_peak(lambda: send(operator, body))

    assert "more than 10000 values" in problem_of(response, 400)["detail"]
    assert peak < 40_000_000


@pytest.mark.parametrize(
    "text", [",[{" * 20_000, ',\\",[' * 10_000, "\\\\" * 10_001], ids=["marks", "quotes", "backslashes"]
)
def test_commas_and_brackets_in_a_text_are_no_values(operator, text):
    assert send(operator, '{"title": "x", "body": "' + text + '"}').status_code == 201


def test_a_long_name_over_many_values_takes_no_memory_for_each(operator, nothing_stored):
    name = "n" * 100_000

    response, peak = with_peak(lambda: send(operator, '{"title": {"' + name + '": [' + ",".join(["0"] * 5000) + "]}}"))

    assert fields_of(response) == ["title"]
    assert peak < 40_000_000


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"title": {"a": [0, ["\\u0000"]]}}', "title.a.1.0"),
        ('{"title": [{"\\ud800": 0}]}', "title.0"),
        ('"\\u0000"', ""),
    ],
)
def test_text_that_cannot_be_stored_is_named_by_its_path(operator, nothing_stored, body, field):
    assert fields_of(send(operator, body)) == [field]


def with_peak(act):
    """Return (what the act returns, the most memory that it took, in bytes)."""
    tracemalloc.start()
    try:
        return act(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("charset", ["latin-1", "utf-16", "ascii", "klingon", "base64", "unicode_escape", "x" * 1000])
def test_json_in_another_charset_is_a_415(write, charset):
    response = write('{"title": "x"}', content_type=f"application/json; charset={charset}")

    assert problem_of(response, 415)["code"] == "unsupported_media_type"


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"', "utf8"])
def test_json_that_says_it_is_utf_8_is_taken(operator, charset):
    response = operator.generic("POST", NOTES, '{"title": "é"}', content_type=f"application/json; charset={charset}")

    assert response.status_code == 201
    assert response.json()["title"] == "é"


# Size and media type


def padded(length):
    body = '{"title": "x"}'
    return body + " " * (length - len(body))


def test_a_request_over_the_limit_is_a_413(write):
    with override_settings(NOTES_MAX_REQUEST_BYTES=1000):
        response = write(padded(1001))

    assert problem_of(response, 413)["code"] == "request_too_large"


def test_a_request_at_the_limit_is_taken(operator):
    with override_settings(NOTES_MAX_REQUEST_BYTES=1000):
        response = send(operator, padded(1000))

    assert response.status_code == 201


@pytest.mark.parametrize("status", [400, 411, 413])
def test_a_body_that_the_server_finds_broken_is_answered_in_the_one_shape(operator, nothing_stored, status):
    response = operator.post(NOTES, {"title": "x"}, **{"notes.refusal": status})

    assert problem_of(response, status)


@pytest.mark.parametrize(
    "media_type",
    [
        "text/html",
        "application/xml",
        "application/json5",
        "application/vnd.api+json",
        "application/*",
        "*/*",
        "json",
        "",
        "/",
        ";",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "application/json-patch+json",
        "text/json",
        "x" * 1000,
        "é/é",
    ],
)
def test_another_media_type_is_a_415(write, media_type):
    response = write('{"title": "x"}', content_type=media_type)

    assert problem_of(response, 415)["code"] == "unsupported_media_type"


@pytest.mark.parametrize("method", ["post", "put", "patch"])
def test_a_form_without_a_session_is_a_415(operator, note, nothing_stored, method):
    url = NOTES if method == "post" else f"{NOTES}/{note.uuid}"

    response = getattr(operator, method)(url, {"title": "x"}, format="multipart")

    assert problem_of(response, 415)


def test_a_tag_counts_as_long_as_it_is_stored(operator):
    grows = "\U0001d160"  # One character, three when it is composed.

    assert operator.post(NOTES, {"title": "x", "tags": [grows * 50]}).status_code == 400
    note = operator.post(NOTES, {"title": "x", "tags": [grows * 16]}).json()
    assert operator.put(f"{NOTES}/{note['id']}", note).status_code == 200


@pytest.mark.parametrize(("address", "status"), [(NOTES, 200), ("/admin/", 302)])
def test_an_impossible_session_cookie_belongs_to_nobody(stranger, notebook, address, status):
    stranger.cookies["sessionid"] = "aaaaaaaaaa\x00"

    with CaptureQueriesContext(connection) as queries:
        response = stranger.get(address)

    assert response.status_code == status
    # PostgreSQL takes no NUL.
    assert not [query for query in queries if "django_session" in query["sql"]]


def test_a_lone_surrogate_is_refused_in_the_words_of_drf():
    for text in ["a\ud800\udfff", "\udfff"]:
        with pytest.raises(ValidationError) as ours:
            Text().run_validation(text)
        with pytest.raises(ValidationError) as theirs:
            CharField().run_validation(text)
        assert ours.value.get_full_details() == theirs.value.get_full_details()


def test_two_requests_at_a_time_never_share_what_reads_them(monkeypatch):
    """Each is held to its own note: a note may keep a blank title that it has already, and no other one."""
    check, both_are_here = NoteSerializer.validate_title, threading.Barrier(2, timeout=5)

    def validate_title(serializer, title):
        both_are_here.wait()
        return check(serializer, title)

    def send_back(title):
        return valid(NoteSerializer, {"title": title}, Note(title=title), partial=True)

    monkeypatch.setattr(NoteSerializer, "validate_title", validate_title)
    blank = ["\u200b", "\u200c"]
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(send_back, blank)) == [{"title": title} for title in blank]
