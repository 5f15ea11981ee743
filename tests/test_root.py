"""The root of the API lists what there is, so that whoever knows one address finds the others."""

import pytest
import yaml
from django.urls import resolve

from notesproject.environment import BASE_DIR
from tests.problems import problem_of

ROOT = "/api/v1/"
HTML = {"Accept": "text/html"}


@pytest.mark.parametrize("address", ["/api", "/api/", "/api/v1", ROOT])
def test_the_root_names_every_top_address_as_an_absolute_link(stranger, settings, address):
    settings.NOTES_PUBLIC_READS = False

    response = stranger.get(address)

    assert response.status_code == 200
    assert response.json() == {
        **{
            name: f"http://testserver/api/v1/{name}"
            for name in ("notes", "trash", "tags", "keys", "changes", "batch", "export", "me")
        },
        "docs": "http://testserver/api/docs",
        "schema": "http://testserver/api/schema",
    }


def test_every_link_of_the_root_leads_somewhere(operator):
    for name, address in operator.get(ROOT).json().items():
        assert resolve(address.removeprefix("http://testserver")).url_name != "api-not-found"
        response = operator.get(address)
        assert response.status_code == (405 if name == "batch" else 200)
        # An answer from a file closes it once it is read.
        response.getvalue()


def test_the_root_leaves_out_nothing_that_the_document_has(operator):
    document = yaml.safe_load((BASE_DIR / "openapi.yaml").read_text())
    tops = {path.removeprefix(ROOT).partition("/")[0] for path in document["paths"]}

    assert tops | {"docs", "schema"} == set(operator.get(ROOT).json())


def test_the_root_is_a_page_for_people_with_links(stranger):
    page = stranger.get(ROOT, headers=HTML)
    note_list = stranger.get("/api/v1/notes", headers=HTML)

    assert page["Content-Type"].startswith("text/html")
    assert 'href="http://testserver/api/v1/notes"' in page.text
    assert note_list.text.count('<a href="/api/v1">API</a>') == note_list.text.count(">API</a>") == 1


def test_the_root_answers_head_and_options_and_takes_no_write(stranger):
    head, options = stranger.head(ROOT), stranger.options(ROOT)

    assert (head.status_code, head.content) == (200, b"")
    assert (options.status_code, options["Allow"]) == (200, "GET, HEAD, OPTIONS")
    assert problem_of(stranger.post(ROOT, {"title": "x"}), 405)["code"] == "method_not_allowed"


def test_the_root_takes_no_parameter(stranger):
    assert problem_of(stranger.get(f"{ROOT}?limit=1"), 400)["errors"][0]["field"] == "limit"
