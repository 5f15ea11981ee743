"""Metadata is content as title, body and tags are: names with values, kept, merged, logged, undone and erased."""

import json

import pytest
from django.db import connection

from notes import content
from notes.models import CONTENT, Note, Revision
from notes.verification import problems
from tests.admin import ADD, errors_of, page, save, sent_by
from tests.problems import fields_of
from tests.writing import create_note, edit, purge, revert

NOTES, BATCH = "/api/v1/notes", "/api/v1/batch"
KINDS = {
    "author": "Ada",
    "Date created": "2019-05-31",
    "aliases": ["Plan B", "計画"],
    "rating": 4,
    "share": 0.5,
    "done": False,
    "nothing": "",
    "none": [],
    "größe": -1,
    "a.b": "dots",
    "message": "m",
    "code": "c",
}


@pytest.fixture
def described(notebook, by):
    return create_note(notebook, by, title="Plan", body="One", metadata=KINDS)


# What it holds


def test_it_comes_back_as_it_was_sent_in_every_answer(operator, notebook):
    response = operator.post(NOTES, {"title": "Plan", "metadata": KINDS})

    url = f"{NOTES}/{response.json()['id']}"
    answers = [response.json(), operator.get(url).json(), operator.get(NOTES).json()["results"][0]]
    answers += operator.get("/api/v1/changes").json()["results"]
    answers.append(operator.get(f"{url}/revisions/1").json())
    for answer in answers:
        assert json.dumps(answer["metadata"]) == json.dumps(KINDS)
    operator.delete(url)
    assert operator.get("/api/v1/trash").json()["results"][0]["metadata"] == KINDS


def test_a_note_without_it_has_none(operator, note):
    assert operator.get(f"{NOTES}/{note.uuid}").json()["metadata"] == {}


def test_the_text_in_the_database_is_the_same_on_both(described):
    with connection.cursor() as cursor:
        cursor.execute("SELECT metadata FROM notes_note")
        [(stored,)] = cursor.fetchall()

    assert stored == json.dumps(KINDS, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("1.0", "1"),
        ("-0.0", "0"),
        ("1e3", "1000"),
        ("9007199254740991", "9007199254740991"),
        ("9007199254740992", "9007199254740992.0"),
        ("10000000000000000", "1e+16"),
        ("1e16", "1e+16"),
        ("0.1", "0.1"),
        ("1e300", "1e+300"),
        ("true", "true"),
    ],
)
def test_a_number_is_kept_as_every_client_would_send_it_back(operator, notebook, sent, kept):
    response = operator.generic("POST", NOTES, f'{{"title": "x", "metadata": {{"a": {sent}}}}}', "application/json")

    assert f'"metadata":{{"a":{kept}}}' in response.content.decode()
    note = response.json()
    again = operator.put(f"{NOTES}/{note['id']}", note)
    assert again.json()["revision"] == note["revision"]


BAD = [
    ([], "metadata", "invalid"),
    ("text", "metadata", "invalid"),
    (1, "metadata", "invalid"),
    ({"a": {"b": 1}}, "metadata.a", "invalid"),
    ({"a": [["b"]]}, "metadata.a", "invalid"),
    ({"a": [1]}, "metadata.a", "invalid"),
    ({"a": [None]}, "metadata.a", "invalid"),
    ({"a": 2**53 + 1}, "metadata.a", "invalid"),
    ({"a": 10**400}, "metadata.a", "invalid"),
    ({"": 1}, "metadata", "blank"),
    ({" \u200b": 1}, "metadata", "blank"),
    ({"a\nb": 1}, "metadata", "one_line"),
    ({"x" * 65: 1}, "metadata", "max_length"),
    ({"a": "x" * 1001}, "metadata.a", "max_length"),
    ({"a": ["x" * 1001]}, "metadata.a", "max_length"),
    ({str(number): 1 for number in range(51)}, "metadata", "max_length"),
    ({str(number): "é" * 200 for number in range(40)}, "metadata", "max_length"),
    ({"a": "\0"}, "metadata.a", "null_characters_not_allowed"),
    ({"a\0": 1}, "metadata", "null_characters_not_allowed"),
    ({"a": ["\ud800"]}, "metadata.a.0", "surrogate_characters_not_allowed"),
]


@pytest.mark.parametrize(("metadata", "field", "code"), BAD, ids=range(len(BAD)))
@pytest.mark.parametrize("method", ["post", "put", "patch"])
def test_what_is_no_metadata_is_refused_by_name(operator, note, method, metadata, field, code):
    url = NOTES if method == "post" else f"{NOTES}/{note.uuid}"

    body = json.dumps({"title": "x", "metadata": metadata})
    response = operator.generic(method.upper(), url, body, content_type="application/json")

    [error] = response.json()["errors"]
    assert (error["field"], error["code"]) == (field, code)
    assert Revision.objects.count() == 1


@pytest.mark.parametrize("method", ["post", "put"])
@pytest.mark.parametrize(("metadata", "field"), [(None, "metadata"), ({"a": None}, "metadata.a")])
def test_null_is_no_metadata(operator, note, method, metadata, field):
    url = NOTES if method == "post" else f"{NOTES}/{note.uuid}"

    response = getattr(operator, method)(url, {"title": "x", "metadata": metadata})

    assert fields_of(response) == [field]
    assert response.json()["errors"][0]["code"] == "null"


def test_the_limits_themselves_are_allowed(operator, notebook):
    most = {f"{number:064}": number for number in range(49)} | {"text": "x" * 1000}
    assert operator.post(NOTES, {"title": "x", "metadata": most}).status_code == 201

    largest = {str(number): "x" * 1000 for number in range(15)}
    largest["rest"] = "x" * (content.MAX_METADATA_BYTES - len(content.metadata_text({**largest, "rest": ""})))
    assert operator.post(NOTES, {"title": "x", "metadata": largest}).status_code == 201
    largest["rest"] += "x"
    assert fields_of(operator.post(NOTES, {"title": "x", "metadata": largest})) == ["metadata"]


# How it is written


def test_put_replaces_it_and_patch_merges_it(operator, described):
    url = f"{NOTES}/{described.uuid}"

    merged = operator.patch(url, {"metadata": {"rating": 5, "done": None, "unknown": None, "new": ["a"]}}).json()
    expected = {**KINDS, "rating": 5, "new": ["a"]}
    del expected["done"]
    assert list(merged["metadata"].items()) == list(expected.items())
    assert operator.patch(url, {"title": "Plan B"}).json()["metadata"] == expected
    assert operator.put(url, {"title": "Plan", "metadata": {"only": 1}}).json()["metadata"] == {"only": 1}
    assert operator.patch(url, {"metadata": {}}).json()["metadata"] == {"only": 1}
    assert operator.patch(url, {"metadata": None}).json()["metadata"] == {}
    operator.patch(url, {"metadata": {"only": 1}})
    assert operator.put(url, {"title": "Plan"}).json()["metadata"] == {}


MERGE_PATCH = "application/merge-patch+json"


def test_a_patch_may_be_called_a_merge_patch(operator, described):
    body = '{"title": "Plan B", "metadata": {"author": null}}'

    response = operator.generic("PATCH", f"{NOTES}/{described.uuid}", body, content_type=MERGE_PATCH)

    assert response.status_code == 200
    assert response.json()["title"] == "Plan B"
    assert "author" not in response.json()["metadata"]


@pytest.mark.parametrize("body", ['{"title": "x", "title": "y"}', "[]", '{"metadata": {"a": {"b": 1}}}', "{"])
def test_a_merge_patch_is_read_as_strictly_as_json(operator, described, body):
    response = operator.generic("PATCH", f"{NOTES}/{described.uuid}", body, content_type=MERGE_PATCH)

    assert response.status_code == 400
    assert Revision.objects.count() == 1


def test_a_client_is_told_what_a_patch_may_be(operator, described):
    url, told = f"{NOTES}/{described.uuid}", f"application/json, {MERGE_PATCH}"

    assert operator.options(url)["Accept-Patch"] == told
    refused = operator.generic("PATCH", url, "x", content_type="text/plain")
    assert (refused.status_code, refused["Accept-Patch"]) == (415, told)
    for answer in (
        operator.options(NOTES),
        operator.get(url),
        operator.generic("PUT", url, '{"title": "x"}', content_type=MERGE_PATCH),
        operator.generic("POST", NOTES, '{"title": "x"}', content_type=MERGE_PATCH),
    ):
        assert "Accept-Patch" not in answer
    assert Revision.objects.count() == 1


def test_a_merge_is_held_to_the_limits_of_the_whole(operator, notebook, by):
    note = create_note(notebook, by, title="Plan", metadata={str(number): 1 for number in range(50)})
    url = f"{NOTES}/{note.uuid}"

    assert fields_of(operator.patch(url, {"metadata": {"more": 1}})) == ["metadata"]
    assert operator.patch(url, {"metadata": {"more": 1, "0": None}}).status_code == 200


def test_a_batch_writes_it(operator, described):
    operations = [
        {"op": "create", "title": "New", "metadata": {"a": 1}},
        {"op": "patch", "id": str(described.uuid), "metadata": {"author": None}},
        {"op": "update", "id": str(described.uuid), "title": "Plan", "metadata": {"b": 2}},
    ]

    created, _, updated = operator.post(BATCH, {"operations": operations}).json()["results"]

    assert (created["note"]["metadata"], updated["note"]["metadata"]) == ({"a": 1}, {"b": 2})
    wrong = [{"op": "create", "title": "New", "metadata": {"a": {}}}]
    assert fields_of(operator.post(BATCH, {"operations": wrong})) == ["operations.0.metadata.a"]


@pytest.mark.parametrize(("old", "new"), [(1, True), (0, False), ("1", 1), (["a"], "a"), (["a", "b"], ["b", "a"])])
def test_values_that_python_confuses_are_different(operator, notebook, by, old, new):
    note = create_note(notebook, by, title="Plan", metadata={"a": old})

    response = operator.patch(f"{NOTES}/{note.uuid}", {"metadata": {"a": new}})

    assert response.json()["revision"] == 2
    notebook.refresh_from_db()
    assert list(problems(notebook)) == []


def test_another_order_of_the_names_alone_is_no_change(operator, described):
    other_order = dict(reversed(KINDS.items()))

    response = operator.patch(f"{NOTES}/{described.uuid}", {"metadata": other_order})
    replaced = operator.put(f"{NOTES}/{described.uuid}", {"title": "Plan", "body": "One", "metadata": other_order})

    assert response.json()["revision"] == replaced.json()["revision"] == 1
    assert list(replaced.json()["metadata"]) == list(KINDS)


def test_a_repeat_is_answered_with_the_metadata_of_that_time(operator, note):
    headers = {"Idempotency-Key": "once"}
    first = operator.patch(f"{NOTES}/{note.uuid}", {"metadata": {"a": 1}}, headers=headers)
    operator.patch(f"{NOTES}/{note.uuid}", {"metadata": {"a": 2}})

    again = operator.patch(f"{NOTES}/{note.uuid}", {"metadata": {"a": 1}}, headers=headers)

    assert again.json() == first.json()


# Lists


def found(client, **params):
    response = client.get(NOTES, params)
    assert response.status_code == 200, response.json()
    return [note["title"] for note in response.json()["results"]]


@pytest.mark.parametrize(
    ("name", "value", "is_found"),
    [
        ("author", "Ada", True),
        ("author", "ada", False),
        ("author", "Ad", False),
        ("Author", "Ada", False),
        ("Date created", "2019-05-31", True),
        ("aliases", "Plan B", True),
        ("aliases", "計画", True),
        ("aliases", '["Plan B","計画"]', False),
        ("rating", "4", True),
        ("rating", "4.0", False),
        ("share", "0.5", True),
        ("done", "false", True),
        ("done", "False", False),
        ("nothing", "", True),
        ("none", "", False),
        ("größe", "-1", True),
        ("a.b", "dots", True),
        ("unknown", "Ada", False),
        ("auth", "orAda", False),
        ("x" * 65, "Ada", False),
        ("author", "x" * 1001, False),
    ],
)
@pytest.mark.parametrize("ordering", ["-created_at", "created_at", "title", "-updated_at"])
def test_a_list_is_narrowed_to_a_value(operator, notebook, by, described, name, value, is_found, ordering):
    create_note(notebook, by, title="Another", body="author Ada 4", metadata={"author": "Bob"})

    titles = found(operator, ordering=ordering, **{f"metadata.{name}": value})

    assert titles == (["Plan"] if is_found else [])


def test_a_filter_follows_every_write(operator, notebook, by, described):
    url, ada, bob = f"{NOTES}/{described.uuid}", {"metadata.author": "Ada"}, {"metadata.author": "Bob"}

    operator.patch(url, {"metadata": {"author": "Bob"}})
    assert (found(operator, **ada), found(operator, **bob)) == ([], ["Plan"])
    operator.delete(url)
    assert found(operator, **bob) == []
    operator.post(f"{url}/restore")
    assert found(operator, **bob) == ["Plan"]
    notebook.refresh_from_db()
    assert list(problems(notebook)) == []


def test_a_list_as_long_as_may_be_is_found_by_each_member(operator, notebook, by):
    members = [f"{number:x}" for number in range(2_500)]
    create_note(notebook, by, title="Long", metadata={"members": members})

    assert found(operator, **{"metadata.members": [members[0], members[-1]]}) == ["Long"]
    assert found(operator, **{"metadata.members": "9c4"}) == []
    notebook.refresh_from_db()
    assert list(problems(notebook)) == []


def test_filters_go_together_and_with_everything_else(operator, notebook, by):
    for number in range(6):
        metadata = {"parity": ["even", "odd"][number % 2], "tens": [str(number), "all"]}
        create_note(notebook, by, title=f"{number}", body="word", tags=["low"] if number < 3 else [], metadata=metadata)

    even = {"metadata.parity": "even"}
    assert found(operator, **even) == ["4", "2", "0"]
    assert found(operator, **even, **{"metadata.tens": ["all", "2"]}) == ["2"]
    assert found(operator, **even, tag="low") == ["2", "0"]
    assert found(operator, **even, without_tag="low", q="word") == ["4"]
    assert found(operator, **even, q="word", ordering="created_at") == ["0", "2", "4"]
    first = operator.get(NOTES, {**even, "limit": 2}).json()
    assert [note["title"] for note in operator.get(first["next"]).json()["results"]] == ["0"]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("metadata=x", "metadata"),
        ("metadata.=x", "metadata"),
        ("meta.author=x", "meta.author"),
        ("tag.author=x", "tag.author"),
        ("metadata.a=x%00", "metadata.a"),
        ("metadata%5Bauthor%5D=x", "metadata[author]"),
    ],
)
def test_another_filter_is_refused_by_name(operator, notebook, query, name):
    assert fields_of(operator.get(f"{NOTES}?{query}")) == [name]


def test_a_filter_is_for_lists_alone(operator, note):
    for url in (f"{NOTES}/{note.uuid}", "/api/v1/tags", "/api/v1/trash", "/api/v1/changes"):
        assert fields_of(operator.get(f"{url}?metadata.author=Ada")) == ["metadata.author"]


def test_a_light_list_has_it_or_not(operator, described):
    [note] = operator.get(NOTES, {"fields": "metadata"}).json()["results"]
    assert note == {"metadata": KINDS}
    [note] = operator.get(NOTES, {"omit": "body,metadata"}).json()["results"]
    assert not {"body", "metadata"} & note.keys()


# The past


def test_the_log_says_that_it_changed_and_the_diff_how(operator, described):
    url = f"{NOTES}/{described.uuid}"
    operator.patch(url, {"metadata": {"author": "Bob\nCarol", "rating": None}})

    rows = operator.get(f"{url}/revisions").json()["results"]
    assert [row["changed"] for row in rows] == [["metadata"], CONTENT]
    diff = operator.get(f"{url}/revisions/2", {"diff": 1}).json()["diff"].splitlines()
    assert [line for line in diff if line[0] in "+-"][2:] == [
        '-author: "Ada"',
        '+author: "Bob\\nCarol"',
        "-rating: 4",
    ]


def test_an_old_state_comes_back_with_it(notebook, by, described):
    edit(described, by, metadata={"new": 1}, body="Two")

    revert(described, by, described.revisions.get(number=1))

    described.refresh_from_db()
    assert described.metadata == KINDS
    assert list(problems(notebook)) == []


def test_a_purge_erases_it_everywhere(notebook, by, described):
    edit(described, by, metadata={"new": 1})

    purge(described, by)

    assert Note.objects.get().metadata == {}
    assert set(Revision.objects.values_list("metadata", flat=True)) == {None}
    notebook.refresh_from_db()
    assert list(problems(notebook)) == []


# Pages for people


def test_the_admin_shows_it_as_json_and_an_untouched_form_changes_nothing(browser, described):
    form = browser.get(page(described))

    assert "&quot;author&quot;: &quot;Ada&quot;" in form.text
    browser.post(page(described), sent_by(form))
    described.refresh_from_db()
    assert described.revision == 1


def test_the_admin_edits_it(browser, notebook, described):
    save(browser, described, metadata='{"author": "Bob"}')
    described.refresh_from_db()
    assert (described.metadata, described.revision) == ({"author": "Bob"}, 2)

    save(browser, described, metadata="")
    described.refresh_from_db()
    assert described.metadata == {}

    browser.post(ADD, {"notebook": notebook.pk, "title": "New", "metadata": '{"a": 1}'})
    assert Note.objects.get(title="New").metadata == {"a": 1}


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("{", "Write JSON"),
        ('{"a": 1, "a": 2}', "Write JSON"),
        ('{"a": NaN}', "Write JSON"),
        ('{"a": "\\u0000"}', "Write JSON"),
        ("[]", "Metadata is an object"),
        ('{"a": {}}', "a: A value in metadata is text"),
        ("null", "Metadata is an object"),
    ],
)
def test_the_admin_refuses_what_is_no_metadata(browser, described, typed, message):
    response = save(browser, described, metadata=typed)

    assert message in str(errors_of(response)["metadata"])
    assert Revision.objects.count() == 1


def test_the_log_in_the_admin_shows_it(browser, described):
    revision = Revision.objects.get()

    assert "author: &quot;Ada&quot;" in browser.get(f"/admin/notes/revision/{revision.pk}/change/").text
    assert "author: &quot;Ada&quot;" in browser.get(page(described, "history")).text
