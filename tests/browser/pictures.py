"""Takes the pictures that README and docs show: this is `make pictures`. Its clock stands still: no date changes."""

import os
import sys
import tempfile
from datetime import UTC, datetime

import django
from django.core.management import execute_from_command_line

from tests.browser.chromium import launched, log_in
from tests.browser.notebook import at, write
from tests.server import PROJECT, running

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
PICTURES = {"browsable-api": "/api/v1/notes?q=tmux", "administration": "/admin/"}


def take(url):
    with launched() as chromium:
        page = chromium.new_page(base_url=url, viewport={"width": 1400, "height": 720})
        log_in(page, "ada")
        for name, address in PICTURES.items():
            page.goto(address)
            page.screenshot(path=PROJECT / f"docs/pictures/{name}.png")


def serve(port):
    django.setup()
    with at(NOW):
        execute_from_command_line(["manage.py", "migrate", "--verbosity=0"])
        write(NOW)
        execute_from_command_line(["manage.py", "runserver", "--noreload", port])


if __name__ == "__main__":
    if sys.argv[1:]:
        serve(sys.argv[1])
    else:
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
        with tempfile.TemporaryDirectory() as folder:
            database = f"sqlite:///{folder}/notes.sqlite3"
            with running("-m", "tests.browser.pictures", "{port}", DATABASE_URL=database) as server:
                take(server.url)
