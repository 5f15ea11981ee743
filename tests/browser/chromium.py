"""Chromium, and somebody who logs in with it."""

import os
import shutil
from contextlib import contextmanager

from playwright.sync_api import sync_playwright

from tests.browser.notebook import PASSWORD

FLAGS = [
    # It runs as root where the project is checked, and only opens pages of its own server.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def launched():
    program = shutil.which(os.environ.get("CHROMIUM", "chromium"))
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=program, args=FLAGS)


def log_in(page, name):
    page.goto("/admin/login/?next=/admin/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("/admin/")
