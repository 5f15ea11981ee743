"""What `make release` looks at: nothing is taken away from the API, and version, changelog and databases agree."""

from copy import deepcopy

import pytest
import yaml

from notesproject.environment import BASE_DIR
from tests.release import problems, taken_away

pytestmark = pytest.mark.once

NOTES = "/api/v1/notes"


@pytest.fixture(scope="module")
def before():
    return yaml.safe_load((BASE_DIR / "openapi.yaml").read_text())


@pytest.fixture
def now(before):
    return deepcopy(before)


def test_the_same_api_takes_nothing_away(before, now):
    assert list(taken_away(before, now)) == []


def test_an_api_that_grows_takes_nothing_away(before, now):
    now["paths"]["/api/v1/new"] = now["paths"][NOTES]
    now["paths"][NOTES]["get"]["parameters"].append({"name": "new", "in": "query"})
    now["components"]["schemas"]["Note"]["properties"]["new"] = {"type": "string"}
    now["components"]["schemas"]["Note"]["required"].append("new")
    now["components"]["schemas"]["NewNoteRequest"]["properties"]["new"] = {"type": "string"}

    assert list(taken_away(before, now)) == []


def gone_path(now):
    del now["paths"]["/api/v1/changes"]


def gone_operation(now):
    del now["paths"][NOTES]["post"]


def gone_parameter(now):
    get = now["paths"][NOTES]["get"]
    get["parameters"] = [one for one in get["parameters"] if one.get("name") != "limit"]


def required_parameter(now):
    now["paths"][NOTES]["get"]["parameters"].append({"name": "new", "in": "query", "required": True})


def gone_status(now):
    del now["paths"][NOTES]["post"]["responses"]["201"]


def gone_media_type(now):
    del now["paths"][NOTES]["post"]["requestBody"]["content"]["text/markdown"]


def gone_field(now):
    del now["components"]["schemas"]["Note"]["properties"]["revision"]


def field_that_may_be_missing(now):
    now["components"]["schemas"]["Note"]["required"].remove("revision")


def required_field(now):
    now["components"]["schemas"]["NewNoteRequest"].setdefault("required", []).append("body")


def other_type(now):
    now["components"]["schemas"]["Note"]["properties"]["revision"]["type"] = "string"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (gone_path, "GET /api/v1/changes is gone."),
        (gone_operation, "POST /api/v1/notes is gone."),
        (gone_parameter, "GET /api/v1/notes no longer takes limit (query)."),
        (required_parameter, "GET /api/v1/notes now requires new (query)."),
        (gone_status, "The 201 of POST /api/v1/notes is gone."),
        (gone_media_type, "The body of POST /api/v1/notes is no longer text/markdown."),
        (gone_field, "Note.revision is gone."),
        (field_that_may_be_missing, "Note.revision is no longer always there."),
        (required_field, "NewNoteRequest.body is now required."),
        (other_type, "Note.revision had the type integer, and has string."),
    ],
)
def test_what_is_taken_away_is_told(before, now, change, said):
    change(now)

    assert said in list(taken_away(before, now))


def test_a_release_needs_its_version_a_date_and_databases():
    files = ["tests/fixtures/1.1.0/sqlite.json"]

    assert not list(problems("1.1.0", "1.1.0", "## 1.1.0, 2027-01-02\n\n## 1.0.0, 2026-12-01\n", files))
    assert len(list(problems("1.1.0", "1.0.0", "## 1.1.0, unreleased\n", []))) == 3
