"""The OpenAPI document: committed, true to the code, and complete."""

import pytest
import yaml
from django.core.management import call_command

from notes.api import site
from notesproject.settings import BASE_DIR

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

    # Where this fails: `make openapi`, and read the difference before committing it.
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


def test_operation_ids_are_unique(operations):
    ids = [operation["operationId"] for operation in operations.values()]

    assert len(ids) == len(set(ids))


def test_only_reads_may_go_without_a_key(operations):
    for name, operation in operations.items():
        assert {} not in operation["security"] or name.startswith("GET "), name


def test_every_operation_says_how_it_may_fail(operations):
    for name, operation in operations.items():
        expected = {"400", "401", "403", "406", "500", "503"}
        if "{" in name:
            expected |= {"404"}
        if "requestBody" in operation:
            expected |= {"413", "415"}
        assert expected <= set(operation["responses"]), name


def test_every_error_is_the_one_error_body(document):
    for name, response in document["components"]["responses"].items():
        assert list(response["content"]) == ["application/problem+json"], name
        assert response["content"]["application/problem+json"]["schema"]["$ref"].endswith("/Problem"), name


def test_every_request_schema_refuses_unknown_fields(document, operations):
    for name, operation in operations.items():
        for content in operation.get("requestBody", {}).get("content", {}).values():
            schema = document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
            assert schema.get("additionalProperties") is False, name


def test_requests_are_described_as_json_alone(operations):
    for name, operation in operations.items():
        assert set(operation.get("requestBody", {}).get("content", {})) <= {"application/json"}, name


def test_the_limits_of_a_note_are_in_the_document(document):
    note = document["components"]["schemas"]["NewNoteRequest"]["properties"]

    assert (note["title"]["minLength"], note["title"]["maxLength"]) == (1, 200)
    assert note["body"]["maxLength"] == 100_000
    assert note["tags"]["maxItems"] == 50
    assert (note["tags"]["items"]["minLength"], note["tags"]["items"]["maxLength"]) == (1, 50)


def test_paths_are_shown_without_a_slash_at_their_end(document):
    assert all(path.startswith("/api/v1/") and not path.endswith("/") for path in document["paths"])
