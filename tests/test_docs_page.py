"""The pages that a person starts from: `/`, the documentation to try out, and the OpenAPI document."""

import json
import re
import shlex
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import pytest
import yaml
from django.contrib.staticfiles import finders
from django.urls import reverse_lazy

from notesproject.environment import BASE_DIR

pytestmark = pytest.mark.once

HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


class Links(HTMLParser):
    """Collects what a page loads and where it leads to."""

    def __init__(self):
        super().__init__()
        self.loads, self.leads_to = [], []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in {"src", "srcset", "data", "poster"} or (tag == "link" and name == "href"):
                self.loads.append(value)
            elif name in {"href", "action"}:
                self.leads_to.append(value)


def links(response):
    parser = Links()
    parser.feed(response.text)
    return parser


@pytest.mark.parametrize(
    "address",
    ["/", "/api/docs", "/api/docs/", "/docs/performance", reverse_lazy("rest_framework:login"), "/api/v1/notes"],
)
def test_a_page_loads_what_it_needs_from_this_host_and_finds_it(stranger, settings, address):
    response = stranger.get(address, headers=HTML)

    assert response.status_code == 200
    for source in links(response).loads:
        if source.startswith("data:"):
            continue
        assert re.match(r"/(?!/)", source), source
        assert finders.find(source.removeprefix(settings.STATIC_URL)), source


def test_the_documentation_shows_the_document_of_this_host(stranger):
    page = stranger.get("/api/docs", headers=HTML).text

    assert 'data-schema="/api/schema"' in page
    assert not re.findall(r"https?://(?!testserver)", page)


def test_the_documentation_has_a_csrf_token_for_staff_and_keeps_no_key_beyond_the_tab(stranger):
    page = stranger.get("/api/docs", headers=HTML)

    script = Path(finders.find("notes/swagger.js")).read_text()
    assert "/static/notes/swagger.js" in links(page).loads
    assert page.cookies["csrftoken"].value
    assert 'name="csrfmiddlewaretoken"' in page.text
    assert "sessionStorage" in script
    assert not re.search("localStorage|persistAuthorization:", script)


def test_the_style_sheets_of_the_documentation_load_nothing_from_elsewhere(stranger, settings):
    page = links(stranger.get("/api/docs", headers=HTML))

    for source in page.loads:
        if source.endswith(".css"):
            style = Path(finders.find(source.removeprefix(settings.STATIC_URL))).read_text()
            assert not re.findall(r"url\(['\"]?(?:https?:)?//", style)
            assert "@import" not in style


def test_the_document_is_yaml_unless_json_is_asked_for(stranger):
    as_yaml = stranger.get("/api/schema")
    as_json = stranger.get("/api/schema", headers={"Accept": "application/json"})
    by_parameter = stranger.get("/api/schema?format=json")

    document = yaml.safe_load(as_yaml.content)
    assert as_yaml["Content-Type"].startswith("application/vnd.oai.openapi")
    assert document["openapi"].startswith("3.")
    assert json.loads(as_json.content) == json.loads(by_parameter.content) == document


def test_the_document_is_the_committed_one(stranger, pytestconfig):
    document = yaml.safe_load(stranger.get("/api/schema").content)

    assert document == yaml.safe_load((pytestconfig.rootpath / "openapi.yaml").read_text())


def test_the_documentation_tells_of_the_key(stranger):
    document = yaml.safe_load(stranger.get("/api/schema").content)

    key = document["components"]["securitySchemes"]["ApiKey"]
    assert {name: key[name] for name in ("type", "in", "name")} == {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
    }
    bearer = document["components"]["securitySchemes"]["Bearer"]
    assert (bearer["type"], bearer["scheme"]) == ("http", "bearer")
    assert {"ApiKey": []} in document["paths"]["/api/v1/notes"]["post"]["security"]


def test_the_first_page_leads_to_the_notes_the_documentation_and_the_administration(stranger):
    response = stranger.get("/")

    assert response.status_code == 200
    assert {"/api/v1/notes", "/api/docs", "/admin/"} <= set(links(response).leads_to)
    for address in links(response).leads_to:
        assert stranger.get(address, headers=HTML, follow=True).status_code == 200


@pytest.mark.parametrize("wrong", [None, "the database does not answer"])
def test_the_first_page_says_whether_the_service_is_well(stranger, monkeypatch, wrong):
    monkeypatch.setattr("notes.readiness.problem", lambda: wrong)

    page = stranger.get("/").text

    assert ("All is well" in page) == (wrong is None)
    assert ("Something is wrong" in page) == (wrong is not None)


def test_the_commands_of_the_first_page_are_for_this_address_and_are_answered(stranger, operator):
    [shown] = re.findall(r"<pre.*?>(.*?)</pre>", stranger.get("/", headers={"Host": "localhost:9000"}).text, re.S)
    commands = [shlex.split(line) for line in unescape(shown).splitlines()]

    assert len(commands) == 3
    for program, address, *options in commands:
        assert (program, address.partition("/api")[0]) == ("curl", "http://localhost:9000")
        assert "X-API-Key: $KEY" in options
        path = address.removeprefix("http://localhost:9000")
        fields = json.loads(options[-1]) if "-d" in options else None
        assert (operator.post(path, fields) if fields else operator.get(path)).status_code in {200, 201}


def test_an_error_page_looks_like_the_first_page_and_leads_back(stranger):
    page = stranger.get("/nope", headers=HTML)

    assert page.status_code == 404
    assert "<h1>Not Found</h1>" in page.text
    assert links(page).loads == links(stranger.get("/")).loads
    assert "/" in links(page).leads_to


def test_the_first_page_leads_to_no_other_host(stranger):
    assert all(address.startswith("/") for address in links(stranger.get("/")).leads_to)


DOCUMENTS = sorted(path.stem for path in BASE_DIR.glob("docs/*.md"))


def test_the_first_page_leads_to_every_page_of_the_docs(stranger):
    assert {f"/docs/{name}" for name in DOCUMENTS} <= set(links(stranger.get("/")).leads_to)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_page_of_the_docs_is_whole_and_its_links_lead_to_headings(stranger, name):
    page = stranger.get(f"/docs/{name}", headers=HTML)

    source = (BASE_DIR / f"docs/{name}.md").read_text()
    assert page.text.count("<h2 ") == len(re.findall("^## ", source, re.M))
    assert page.text.count('<table tabindex="0">') == len(re.findall("^\\|[ -]*---", source, re.M))
    for address in links(page).leads_to:
        if address.startswith("https://"):
            continue
        path, _, anchor = urljoin(f"/docs/{name}", address).partition("#")
        target = stranger.get(path, headers=HTML, follow=True)
        assert target.status_code == 200
        assert not anchor or f'id="{anchor}"' in target.text


@pytest.mark.parametrize("name", ["nope", "API", "api.md", "..", "%2e%2e", "design%00", "pictures"])
def test_there_is_no_other_page_of_the_docs(stranger, name):
    assert stranger.get(f"/docs/{name}", headers=HTML).status_code == 404


def test_a_page_of_the_docs_is_made_once(stranger, monkeypatch):
    first = stranger.get("/docs/api", headers=HTML)
    monkeypatch.setattr("notes.safe_html.rendered", None)

    assert stranger.get("/docs/api", headers=HTML).text == first.text


def test_the_pictures_of_the_docs_are_shown_from_this_host(stranger):
    page = stranger.get("/docs/performance", headers=HTML)

    [picture] = [source for source in links(page).loads if "pictures" in source]
    assert Path(finders.find(picture.removeprefix("/static/"))) == BASE_DIR / "docs/pictures/performance.svg"
    assert '" alt="How many times cheaper' in page.text
