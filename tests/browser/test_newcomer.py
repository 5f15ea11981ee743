"""Somebody who has a name, a password and no manual."""

from playwright.sync_api import expect

from tests.browser.notebook import PASSWORD
from tests.browser.person import field, press


def test_a_newcomer_finds_changes_and_takes_back_a_note_and_finds_what_was_deleted(open_browser):
    page = open_browser("visitor").new_page()
    page.goto("/")
    page.get_by_role("link", name="Browse the notes").click()
    page.get_by_role("link", name="Log in").click()
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    press(page, "Log in")

    # Find the note about tmux.
    field(page, "Search", "Search").fill("tmux sess")
    press(page, "Search")
    page.locator("main").get_by_role("link", name="tmux: sessions that outlive a terminal").click()
    before = page.locator("main pre.text").inner_text()

    # Change it.
    page.locator("summary", has_text="Replace text").click()
    field(page, "Find", "Replace").fill("scroll, and copy")
    field(page, "Replace", "Replace").fill("look back")
    press(page, "Replace")
    expect(page.locator("main pre.text")).to_contain_text("look back")

    # See who changed it, and when.
    page.get_by_role("link", name="History").click()
    expect(page.locator("main")).to_contain_text("ada")
    expect(page.locator("main")).to_contain_text("phone")
    expect(page.locator("main time").first).to_contain_text("UTC")
    expect(page.locator("main del").first).to_contain_text("scroll, and copy")
    expect(page.locator("main ins").first).to_contain_text("look back")

    # Take it back.
    page.get_by_role("button", name="Restore this revision").first.click()
    expect(page.locator("main pre.text")).to_have_text(before)

    # Find what was deleted.
    page.get_by_role("link", name="Trash").click()
    page.get_by_role("link", name="Gifts").click()
    expect(page.locator("main")).to_contain_text("in the trash, since")
    expect(page.locator("main pre.text")).to_contain_text("A kite for Jo")
