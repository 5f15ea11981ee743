"""Every page has a Content-Security-Policy, and keeps to it: it has no script and no style in itself."""

from html.parser import HTMLParser

import pytest

from tests.people import make_staff

pytestmark = pytest.mark.once

NOTES = "/api/v1/notes"
HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
FOR_STRANGERS = [
    "/",
    "/nope",
    "/api/docs",
    "/docs/performance",
    "/login/",
    "/admin/login/",
    "/api/v1/",
    NOTES,
    f"{NOTES}?limit=x",
]
FOR_STAFF = [
    f"{NOTES}/{{note.uuid}}",
    f"{NOTES}/{{note.uuid}}/revisions",
    "/api/v1/trash",
    "/api/v1/tags",
    "/api/v1/changes",
    "/api/v1/batch",
    "/api/v1/keys",
    "/admin/",
    "/admin/notes/note/",
    "/admin/notes/note/{note.pk}/change/",
    "/admin/notes/note/{note.pk}/history/",
    "/admin/notes/note/{note.pk}/delete/",
    "/admin/notes/revision/",
    "/admin/notes/notebook/",
    "/admin/notes/apikey/add/",
    "/admin/auth/user/add/",
]


class Inline(HTMLParser):
    """Collects what the policy would stop."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        is_code = tag == "script" and "src" not in values and values.get("type") != "application/json"
        if tag == "style" or is_code:
            self.found.append(tag)
        for name, value in attributes:
            if name == "style" or name.startswith("on") or (value or "").startswith("javascript:"):
                self.found.append(f"{tag} {name}={value}")


def check_policy(response):
    assert response["Content-Type"].startswith("text/html")
    policy = dict(directive.split(maxsplit=1) for directive in response["Content-Security-Policy"].split("; "))
    sources = {source for value in policy.values() for source in value.split()}
    # Swagger's style sheet has its icons in itself.
    assert sources - {"data:"} == {"'self'", "'none'"}
    assert "data:" not in policy["script-src"]
    for name in ("default-src", "base-uri", "frame-ancestors"):
        assert policy[name] == "'none'"
    assert policy["form-action"] == "'self'"
    page = Inline()
    page.feed(response.text)
    assert page.found == []


@pytest.mark.parametrize("path", FOR_STRANGERS)
def test_a_page_for_strangers_keeps_to_its_policy(stranger, note, path):
    check_policy(stranger.get(path, headers=HTML))


@pytest.mark.parametrize("path", FOR_STAFF)
def test_a_page_for_staff_keeps_to_its_policy(client, note, path):
    client.force_login(make_staff("ada", is_superuser=True))

    check_policy(client.get(path.format(note=note), headers=HTML))


@pytest.mark.parametrize("headers", [{"HTTP_HOST": "elsewhere.example"}, {"REQUEST_METHOD": "POST"}])
def test_a_page_of_an_error_keeps_to_its_policy(client, db, headers):
    client.handler.enforce_csrf_checks = True

    check_policy(client.get("/", **headers))


def test_only_the_documentation_may_show_pictures_that_stand_in_a_style_sheet(stranger):
    assert "data:" in stranger.get("/api/docs", headers=HTML)["Content-Security-Policy"]
    assert "data:" not in stranger.get("/", headers=HTML)["Content-Security-Policy"]


def test_what_is_no_page_has_no_policy_and_what_programs_send_does_not_pass_it(staff, settings):
    assert "Content-Security-Policy" not in staff.get(NOTES)
    assert "notes.api.middleware.PagePolicyMiddleware" in settings.BROWSER_MIDDLEWARE
