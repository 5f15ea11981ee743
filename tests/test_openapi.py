"""The OpenAPI document: committed, true to the code, and complete."""

import json
import re
import tomllib
import uuid

import pytest
import yaml
from django.core.cache import cache
from django.core.management import call_command
from django.urls import resolve

from notes.api.generics import WritingView
from notes.api.schema import EXAMPLES
from notes.api.views import site
from notesproject.environment import BASE_DIR
from tests.test_docs import MAX_WORDS, sentences

pytestmark = pytest.mark.once

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


@pytest.fixture(scope="module")
def document():
    return yaml.safe_load((BASE_DIR / "openapi.yaml").read_text())


@pytest.fixture(scope="module")
def operations(document):
    """Return {"GET /path": operation}."""
    return {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def test_the_committed_document_is_what_the_code_says(tmp_path):
    call_command("spectacular", "--validate", "--fail-on-warn", file=tmp_path / "openapi.yaml")

    generated = (tmp_path / "openapi.yaml").read_text()

    # If this fails, run `make openapi`, and read the difference before committing it.
    assert generated == (BASE_DIR / "openapi.yaml").read_text()


@pytest.mark.django_db
def test_the_served_document_is_the_committed_one(client, document):
    response = client.get("/api/schema")

    assert response.status_code == 200
    assert yaml.safe_load(response.content) == document


@pytest.mark.django_db
def test_the_document_is_made_once_for_each_format_whatever_accept_says(client, monkeypatch):
    site.document.cache_clear()
    made = []
    monkeypatch.setattr(site.SchemaGenerator, "get_schema", lambda *args, **options: made.append(options) or {})

    for number in range(10):
        for media_type in ("application/json", "application/yaml"):
            accept = f"{media_type}, text/x-{number};q=0.{number}"
            assert client.get("/api/schema", headers={"Accept": accept}).status_code == 200
            assert client.get("/api/schema", headers={"Accept": f"{media_type}; x={number}"}).status_code == 200

    site.document.cache_clear()
    assert len(made) == 2


def test_every_operation_is_named_summarized_tagged_and_says_who_may(operations):
    assert operations
    for name, operation in operations.items():
        assert operation["operationId"], name
        assert operation["summary"], name
        assert operation["tags"], name
        assert {"ApiKey": []} in operation["security"], name
        assert {"Bearer": []} in operation["security"], name


def test_every_operation_is_in_one_group_and_notes_come_first(document, operations):
    groups = [group["name"] for group in document["tags"]]
    used = [group for operation in operations.values() for group in operation["tags"]]

    assert groups[0] == "notes"
    assert all(group["description"] for group in document["tags"])
    assert len(used) == len(operations)
    assert list(dict.fromkeys(used)) == groups


def test_the_document_says_whose_it_is_and_where_the_service_is(document):
    project = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]
    license_text = (BASE_DIR / "LICENSE").read_text()

    assert document["info"]["version"] == project["version"]
    assert document["info"]["license"]["name"] == project["license"]
    assert license_text.startswith(f"{project['license']} License")
    assert document["info"]["contact"]["name"] in license_text
    assert [server["url"] for server in document["servers"]] == ["/"]


def test_the_description_tells_how_to_use_the_four_promises(document, operations):
    description = document["info"]["description"]
    known = {"X-API-Key", "Authorization", *document["components"]["headers"]}.union(
        *map(parameters_of, operations.values())
    )

    assert re.findall(r"^## (Safe to \w+|Visible)", description, re.MULTILINE) == [
        "Safe to retry",
        "Safe to race",
        "Safe to regret",
        "Visible",
    ]
    named = set(re.findall(r"`((?:[A-Z][A-Za-z]+-)*[A-Z][A-Za-z]+)`", description))
    # The last two are for the day when something has to go.
    assert named - {"DELETE", "Deprecation", "Sunset"} <= known
    assert {"Idempotency-Key", "If-Match", "ETag"} <= named
    assert set(re.findall(r"`GET (/[\w/]+)", description)) <= set(document["paths"])
    assert [sentence for sentence in sentences(description) if len(sentence.split()) > MAX_WORDS] == []


def test_every_operation_tells_something_of_its_own(operations):
    told = [operation["description"] for operation in operations.values()]

    assert len(set(told)) == len(told)


def test_every_answer_says_in_words_what_it_is(operations):
    for name, operation in operations.items():
        for status, response in operation["responses"].items():
            assert "$ref" in response or response["description"], (name, status)


def test_operations_have_the_names_that_generated_clients_call(operations):
    assert {operation["operationId"]: name for name, operation in operations.items()} == {
        "listNotes": "GET /api/v1/notes",
        "createNote": "POST /api/v1/notes",
        "getNote": "GET /api/v1/notes/{id}",
        "getNoteAsMarkdown": "GET /api/v1/notes/{id}.md",
        "replaceNote": "PUT /api/v1/notes/{id}",
        "patchNote": "PATCH /api/v1/notes/{id}",
        "trashNote": "DELETE /api/v1/notes/{id}",
        "appendToNote": "POST /api/v1/notes/{id}/append",
        "prependToNote": "POST /api/v1/notes/{id}/prepend",
        "replaceInNote": "POST /api/v1/notes/{id}/replace",
        "restoreNote": "POST /api/v1/notes/{id}/restore",
        "listRevisions": "GET /api/v1/notes/{id}/revisions",
        "getRevision": "GET /api/v1/notes/{id}/revisions/{number}",
        "restoreRevision": "POST /api/v1/notes/{id}/revisions/{number}/restore",
        "listTrash": "GET /api/v1/trash",
        "purgeNote": "DELETE /api/v1/trash/{id}",
        "runBatch": "POST /api/v1/batch",
        "listChanges": "GET /api/v1/changes",
        "exportNotebook": "GET /api/v1/export",
        "listTags": "GET /api/v1/tags",
        "renameTag": "POST /api/v1/tags/rename",
        "listKeys": "GET /api/v1/keys",
        "createKey": "POST /api/v1/keys",
        "revokeKey": "DELETE /api/v1/keys/{id}",
        "whoAmI": "GET /api/v1/me",
    }
    assert len({operation["operationId"] for operation in operations.values()}) == len(operations)


def test_only_reads_may_go_without_a_key(operations):
    for name, operation in operations.items():
        assert {} not in operation["security"] or name.startswith("GET "), name


def test_every_operation_says_how_it_may_fail(operations):
    for name, operation in operations.items():
        expected = {"400", "401", "403", "406", "500", "503", "507"}
        if "{" in name:
            expected |= {"404"}
        if not name.startswith("GET "):
            expected |= {"411", "413", "415"}
        assert expected <= set(operation["responses"]), name


def test_every_write_that_may_be_repeated_says_so_and_how_the_repeat_may_fail(operations):
    for name, operation in operations.items():
        method, _, path = name.partition(" ")
        view = resolve(path.replace("{number}", "1").replace("{id}", str(uuid.uuid4()))).func.cls
        is_repeatable = issubclass(view, WritingView) and method != "GET"

        assert ("Idempotency-Key" in parameters_of(operation)) == is_repeatable, name
        assert ("422" in operation["responses"]) == is_repeatable, name
        if is_repeatable:
            # A repeat whose note was erased since is a 410; a DELETE has nothing to show.
            assert ("410" in operation["responses"]) == (method != "DELETE"), name


def parameters_of(operation):
    return {parameter["name"] for parameter in operation.get("parameters", [])}


@pytest.mark.django_db
def test_answers_bear_the_headers_that_the_document_names_and_no_others(operator, operations, document, settings):
    settings.NOTES_RATE_READS = settings.NOTES_RATE_WRITES = (1000, 86_400)
    key, minimal = {"Idempotency-Key": "one"}, {"Prefer": "return=minimal"}
    note = operator.post("/api/v1/notes", {"title": "Plan", "tags": ["work"]}).json()
    path = f"/api/v1/notes/{note['id']}"
    by_id = "/api/v1/notes/{id}"
    answers = [
        ("POST /api/v1/notes", operator.post("/api/v1/notes", {"title": "x"})),
        ("GET /api/v1/notes", operator.get("/api/v1/notes")),
        ("GET /api/v1/notes", operator.get("/api/v1/notes", headers={"If-None-Match": "*"})),
        (f"GET {by_id}", operator.get(path)),
        (f"GET {by_id}", operator.get(path, headers={"If-None-Match": "*"})),
        (f"PUT {by_id}", operator.put(path, {"title": "New", "tags": ["work"]})),
        (f"PUT {by_id}", operator.put(f"/api/v1/notes/{uuid.uuid4()}", {"title": "x"}, headers={"If-None-Match": "*"})),
        (f"POST {by_id}/append", operator.post(f"{path}/append", {"text": "x"}, headers=key)),
        (f"POST {by_id}/append", operator.post(f"{path}/append", {"text": "x"}, headers=key)),
        (f"POST {by_id}/append", operator.post(f"{path}/append", {"text": "x"}, headers=minimal)),
        ("POST /api/v1/notes", operator.post("/api/v1/notes", {"title": "x"}, headers=minimal)),
        ("GET /api/v1/notes", operator.get("/api/v1/notes", {"limit": 1})),
        ("POST /api/v1/batch", operator.post("/api/v1/batch", {"operations": [{"op": "create", "title": "x"}]})),
        ("POST /api/v1/tags/rename", operator.post("/api/v1/tags/rename", {"tag": "work", "name": "job"})),
        ("GET /api/v1/tags", operator.get("/api/v1/tags")),
        ("GET /api/v1/changes", operator.get("/api/v1/changes")),
        ("GET /api/v1/me", operator.get("/api/v1/me")),
        (f"DELETE {by_id}", operator.delete(path)),
    ]
    known = set(document["components"]["headers"])
    seldom = {"Idempotency-Replayed": 0, "Preference-Applied": 0, "Link": 0}

    assert sorted(known) == settings.CORS_EXPOSE_HEADERS
    for name, answer in answers:
        declared = set(operations[name]["responses"][str(answer.status_code)]["headers"])
        sent = {header for header in known if header in answer}
        # Only a repeat is a replay, few have a wish, and the last page leads nowhere.
        assert declared - set(seldom) <= sent <= declared, (name, answer.status_code)
        for header in sent & set(seldom):
            seldom[header] += 1
    assert seldom == {"Idempotency-Replayed": 1, "Preference-Applied": 2, "Link": 1}


@pytest.mark.django_db
def test_errors_bear_the_headers_that_the_document_names(client, document, settings):
    settings.NOTES_RATE_READS = (1, 86_400)
    responses = document["components"]["responses"]
    cache.clear()

    _, refused = client.get("/api/v1/notes"), client.get("/api/v1/notes")

    assert refused.status_code == 429
    sent = {header for header in document["components"]["headers"] if header in refused}
    assert set(responses["TooManyRequests"]["headers"]) == sent
    assert all("X-Request-ID" in response["headers"] for response in responses.values())
    assert "Retry-After" in responses["Unavailable"]["headers"]


@pytest.mark.django_db
def test_a_refused_key_bears_the_headers_that_the_document_names(stranger, document):
    refused = stranger.post("/api/v1/notes", {"title": "x"})

    assert refused.status_code == 401
    sent = {header for header in document["components"]["headers"] if header in refused}
    assert set(document["components"]["responses"]["Unauthorized"]["headers"]) == sent


def test_every_error_is_the_one_error_body(document):
    for name, response in document["components"]["responses"].items():
        assert list(response["content"]) == ["application/problem+json"], name
        assert response["content"]["application/problem+json"]["schema"]["$ref"].endswith("/Problem"), name


def test_every_request_schema_refuses_unknown_fields(document, operations):
    for name, operation in operations.items():
        if "requestBody" in operation:
            content = operation["requestBody"]["content"]["application/json"]
            schema = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
            assert schema.get("additionalProperties") is False, name


def test_forms_are_not_described_and_text_where_it_is_taken(operations):
    note = "/api/v1/notes/{id}"
    take_text = {"POST /api/v1/notes", f"PUT {note}", f"POST {note}/append", f"POST {note}/prepend"}

    for name, operation in operations.items():
        content = operation.get("requestBody", {}).get("content", {})
        text = {"text/markdown", "text/plain"} if name in take_text else set()
        patch = {"application/merge-patch+json"} if name.startswith("PATCH") else set()
        assert content.keys() in (set(), {"application/json"} | patch | text), name
        assert all(content[media_type]["schema"]["type"] == "string" for media_type in text), name


def test_an_answer_is_of_one_media_type_and_never_a_choice(operations):
    for name, operation in operations.items():
        others = {"GET /api/v1/notes/{id}.md": "text/markdown", "GET /api/v1/export": "application/x-ndjson"}
        expected = others.get(name, "application/json")
        for response in operation["responses"].values():
            assert set(response.get("content", {})) <= {expected}, name


def test_no_generated_client_sends_what_its_user_left_out(document):
    """A generator takes `default` as leave to send it: a PATCH of the title alone would empty the body."""
    assert [
        (component, name)
        for component, schema in document["components"]["schemas"].items()
        for name, field in schema.get("properties", {}).items()
        if "default" in field
    ] == []


def test_what_is_always_in_an_answer_is_required(document):
    answers = {name: schema for name, schema in document["components"]["schemas"].items() if "properties" in schema}
    missing = {name: set(schema["properties"]) - set(schema.get("required", [])) for name, schema in answers.items()}

    assert {name: fields for name, fields in missing.items() if fields and not name.endswith("Request")} == {
        # A tombstone has no content.
        "Change": {"title", "body", "tags", "metadata", "created_at", "updated_at"},
        # It may be in the trash, or not.
        "CurrentNote": {"deleted_at"},
        # `fields` and `omit` leave out any of them.
        "ListedNote": set(answers["ListedNote"]["properties"]),
        "Problem": {"current", "operation", "errors"},
        "RevisionContent": {"diff"},
    }


def test_every_request_and_every_answer_with_a_body_has_its_example(operations):
    for name, operation in operations.items():
        bodies = [operation.get("requestBody", {}), *(operation["responses"].get(code, {}) for code in ("200", "201"))]
        for body in bodies:
            for media_type, content in body.get("content", {}).items():
                assert "example" in content or "example" in content["schema"], (name, media_type)


def test_an_error_has_an_example_of_each_code_that_an_operation_knows(document):
    shown = {}
    for response in document["components"]["responses"].values():
        for code, example in response["content"]["application/problem+json"].get("examples", {}).items():
            assert example["value"]["code"] == code
            assert f"`{code}`: {example['summary']}" in response["description"]
            shown[code] = example["value"]

    assert shown == json.loads(EXAMPLES.read_text())["errors"]


def test_every_schema_says_what_it_is_and_every_field_its_type(document):
    for name, schema in document["components"]["schemas"].items():
        assert "properties" not in schema or name.startswith("Paginated") or schema.get("description"), name
        for field, of_field in schema.get("properties", {}).items():
            assert {"type", "$ref", "allOf", "oneOf"} & of_field.keys(), (name, field)


def test_no_list_of_values_that_may_grow_is_closed(document):
    """Generated clients fail on a value that is not in an enumeration. The levels of keys are all there will be."""
    schemas = document["components"]["schemas"]
    closed = {name for name, schema in schemas.items() if "enum" in schema}

    assert closed == {"AccessLevel", "Level"}


def test_the_limits_of_a_note_are_in_the_document(document):
    note = document["components"]["schemas"]["NewNoteRequest"]["properties"]

    assert (note["title"]["minLength"], note["title"]["maxLength"]) == (1, 200)
    assert note["body"]["maxLength"] == 100_000
    assert note["tags"]["maxItems"] == 50
    assert (note["tags"]["items"]["minLength"], note["tags"]["items"]["maxLength"]) == (1, 50)


def test_paths_are_shown_without_a_slash_at_their_end(document):
    assert all(path.startswith("/api/v1/") and not path.endswith("/") for path in document["paths"])
