"""A service with notes in it, and Chromium to use it with. No test reaches around the browser to the database."""

import re
import subprocess
import sys

import pytest

from tests.browser import hostile
from tests.browser.chromium import launched, log_in
from tests.keys import OPERATOR_KEY
from tests.server import process_environment, serving

WAIT_MILLISECONDS = 10_000


@pytest.fixture(scope="session")
def chromium():
    with launched() as chromium:
        yield chromium


@pytest.fixture(scope="session")
def service(tmp_path_factory):
    database = {"DATABASE_URL": f"sqlite:///{tmp_path_factory.mktemp('browser')}/notes.sqlite3"}
    for command in (["manage.py", "migrate", "--verbosity=0"], ["-m", "tests.browser.notebook"]):
        subprocess.run([sys.executable, *command], env=process_environment() | database, check=True)
    with serving(**database) as server:
        yield server


@pytest.fixture(scope="session")
def program(chromium, service):
    """A program with the operator's key."""
    return chromium.new_context(base_url=service.url, extra_http_headers={"X-API-Key": OPERATOR_KEY}).request


def created(program, address="/api/v1/notes", **fields):
    answer = program.post(address, data=fields)
    assert answer.status == 201, answer.text()
    return answer.json()


def stored(program, note):
    return program.get(f"/api/v1/notes/{note['id']}").json()


@pytest.fixture
def note(program):
    return created(program, title="Plan", body="One\nTwo\n", tags=["work"], metadata={"place": "desk"})


@pytest.fixture(scope="session")
def hostile_notes(program):
    created(program, "/api/v1/keys", name=hostile.KEY_NAME, level="read")
    return {name: created(program, **note) for name, note in hostile.NOTES.items()}


@pytest.fixture(scope="session")
def sessions(chromium, service):
    """What the browser of each person keeps once they have logged in."""
    sessions = {"visitor": None}
    for name in ("ada", "vera"):
        page = chromium.new_page(base_url=service.url)
        log_in(page, name)
        sessions[name] = page.context.storage_state()
        page.context.close()
    return sessions


@pytest.fixture
def open_browser(chromium, service, sessions):
    """Return a function that opens the browser of a person: `ada`, who may do everything, `vera`, who may look.

    Whatever a page does there that no page should do fails the test.
    """
    contexts, wrongs = [], []

    def open_browser(person="ada", **options):
        context = chromium.new_context(base_url=service.url, storage_state=sessions[person], **options)
        context.set_default_timeout(WAIT_MILLISECONDS)
        watch(context, service.url, wrongs)
        contexts.append(context)
        return context

    yield open_browser
    for context in contexts:
        context.close()
    assert wrongs == []


@pytest.fixture
def page(open_browser):
    """A tab in ada's browser."""
    return open_browser().new_page()


def watch(context, url, wrongs):
    """Note in `wrongs` each error of a script, violation of the policy, request to another host, and dialog."""

    def on_request(request):
        if not request.url.startswith((f"{url}/", "data:", "blob:")):
            wrongs.append(f"{request.frame.url} asks {request.url}")

    def on_console(message):
        # A refused form is answered with a 4xx, which Chromium reports as well.
        if message.type == "error" and not re.search(r"status of 4\d\d", message.text):
            wrongs.append(f"{message.page.url}: {message.text}")

    def on_dialog(dialog):
        wrongs.append(f"{dialog.page.url} opens a dialog: {dialog.message}")
        dialog.dismiss()

    context.on("request", on_request)
    context.on("console", on_console)
    context.on("weberror", lambda error: wrongs.append(f"{error.page.url}: {error.error}"))
    context.on("dialog", on_dialog)
