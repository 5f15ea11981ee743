"""Every page, found by following the links: usable by all, at every width, in light and dark."""

import re
from urllib.parse import urldefrag, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser import hostile
from tests.browser.conftest import created
from tests.browser.person import field, open_note, press

WIDTHS = [360, 800, 1400]
# All but the question marks that a script of Django's own admin makes, in the choice of permissions.
LOOKED_AT = {"exclude": [[".help-tooltip"]]}
STARTS = [
    "/",
    "/api/v1/",
    "/api/v1/notes?q=tmux",
    "/api/v1/notes?q=nowhere",
    "/api/v1/me",
    "/api/docs",
    "/api-auth/login/",
    "/admin/",
    "/admin/login/",
    "/admin/notes/note/add/",
    "/api/v1/nowhere",
    "/nowhere",
]
# Puts markup into a page. Returns what the policy of the page refuses of it: two things, or fewer after a while.
POLICY_REFUSES = """markup => new Promise(resolve => {
  const refused = []
  document.addEventListener("securitypolicyviolation", event => {
    if (refused.push(event.effectiveDirective) == 2) resolve(refused)
  })
  document.body.insertAdjacentHTML("beforeend", markup)
  setTimeout(() => resolve(refused), 5000)
})"""
NO_PAGE = re.compile(r"/(static|admin/jsi18n|admin/logout|api/schema|.*\.md$)|.*[?&]format=json")


def kind(address):
    """Return what addresses of one kind of page share: a part of the path for each id, and nothing of the query."""
    path = re.sub(r"/(\d+|[\da-f-]{36}|id)(?=/|$)", "/…", urlsplit(address).path).rstrip("/")
    return re.sub(r"^(/api/v1/tags|/docs)/.*", r"\1/…", path)


def opened(page, starts):
    """Yield (address, status) of each start, and of one page of each kind that its links lead to. Open it first."""
    known, coming = set(map(kind, starts)), list(starts)
    for address in coming:
        answer = page.goto(address)
        if not answer.headers["content-type"].startswith("text/html"):
            continue
        yield address, answer.status
        origin, *links = page.evaluate("[location.origin, ...[...document.links].map(link => link.href)]")
        for link in links:
            target = urldefrag(link.removeprefix(origin)).url
            if link.startswith(f"{origin}/") and not NO_PAGE.match(target) and kind(target) not in known:
                known.add(kind(target))
                coming.append(target)


def faults(page, schemes):
    """Yield what some people could not use on this page."""
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        # Colours that are still on their way to others would be judged as they are at this moment.
        page.evaluate("document.getAnimations().forEach(it => it instanceof CSSTransition && it.finish())")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            if over > 0:
                yield f"{width} wide, {scheme}: {over} pixels too wide"
        # Colours are all that differs in the dark. What axe-core would preload breaks the policy of our pages.
        rules = {"runOnly": ["color-contrast"]} if scheme == "dark" else {}
        found = Axe().run(page, context=LOOKED_AT, options={"preload": False, **rules})
        for violation in found.response["violations"]:
            if violation["impact"] in {"serious", "critical"}:
                targets = [" ".join(map(str, node["target"])) for node in violation["nodes"][:5]]
                yield f"{scheme}: {violation['id']}: {targets}"


# Who sees less sees the same colours.
@pytest.mark.parametrize(
    ("person", "schemes"), [("ada", ["light", "dark"]), ("vera", ["light"]), ("visitor", ["light"])]
)
def test_every_page_is_usable_by_all(open_browser, hostile_notes, person, schemes):
    page = open_browser(person).new_page()
    starts = STARTS + [f"/api/v1/notes/{note['id']}" for note in hostile_notes.values()]

    wrongs = [
        f"{address}: {wrong}"
        for address, status in opened(page, starts)
        for wrong in [f"status {status}"] * (status >= 500) + list(faults(page, schemes))
    ]

    assert not wrongs, "\n".join(wrongs)


def test_what_forms_lead_to_is_usable_by_all(page, program):
    note = created(program, **hostile.NOTES["wide"])
    found = []

    def look(at):
        found.extend(f"{at}: {fault}" for fault in faults(page, ["light", "dark"]))

    open_note(page, note, "Edit", "Add at the end", "Add at the beginning", "Replace text", "More")
    look("forms")
    program.patch(f"/api/v1/notes/{note['id']}", data={"body": "Newer\n" * 300})
    press(page, "Save")
    page.get_by_role("alert").wait_for()
    look("refused as stale")
    field(page, "Title", "Save").fill("x" * 201)
    press(page, "Save")
    page.locator(".error").wait_for()
    look("refused as wrong")
    page.goto("/api/v1/keys")
    page.locator("summary", has_text="New key").click()
    field(page, "Name", "Make the key").fill(hostile.KEY_NAME)
    press(page, "Make the key")
    page.locator("code.secret").wait_for()
    look("a new key")

    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "address", ["/", "/docs/api", "/api/v1/notes", "/api/docs", "/admin/", "/admin/notes/note/add/"]
)
def test_markup_that_a_page_took_in_runs_no_script_and_loads_nothing(chromium, service, sessions, address):
    """Where the escaping of a text was forgotten, the policy of the page still holds."""
    page = chromium.new_page(base_url=service.url, storage_state=sessions["ada"])
    page.goto(address)

    refused = page.evaluate(POLICY_REFUSES, hostile.IMAGE)
    page.context.close()

    assert sorted(refused) == ["img-src", "script-src-attr"]
