"""What was written or deleted comes back, or is erased: history and trash, used by a person."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import stored
from tests.browser.person import field, open_note, press


@pytest.fixture
def edited(note, program):
    """A note with two revisions."""
    return program.patch(f"/api/v1/notes/{note['id']}", data={"body": "One\n2\n"}).json()


@pytest.fixture
def trashed(note, program):
    assert program.delete(f"/api/v1/notes/{note['id']}").status == 204
    return note


def test_a_revision_is_compared_and_restored(page, note, edited, program):
    open_note(page, edited).get_by_role("link", name="History").click()
    page.get_by_role("link", name=f"Revision {note['revision']}").click()
    expect(page.locator("main pre.text")).to_have_text("One\nTwo\n")

    field(page, "Compare with revision", "Compare").fill(str(edited["revision"]))
    press(page, "Compare")
    expect(page.locator("main ins")).to_have_text("+ Two")
    press(page, "Restore this revision")

    expect(page.locator("main pre.text")).to_have_text("One\nTwo\n")
    assert stored(program, note)["body"] == "One\nTwo\n"


@pytest.mark.parametrize("place", ["revisions", "revisions/{revision}"])
def test_a_stale_page_restores_no_revision_until_one_has_seen_what_stands_there(page, note, edited, program, place):
    page.goto(f"/api/v1/notes/{note['id']}/{place.format(**note)}")
    program.patch(f"/api/v1/notes/{note['id']}", data={"body": "Newer\n"})

    press(page, "Restore this revision")

    expect(page.get_by_role("alert")).to_contain_text("has changed since you opened this form")
    expect(page.locator("main pre.text").first).to_have_text("Newer\n")
    assert stored(program, note)["body"] == "Newer\n"
    press(page, "Restore this revision")

    expect(page.locator("main pre.text")).to_have_text("One\nTwo\n")
    assert stored(program, note)["body"] == "One\nTwo\n"


def test_the_trash_gives_back(page, trashed, program):
    page.goto("/api/v1/trash")

    press(page.locator("li", has=page.locator(f"a[href$='{trashed['id']}']")), "Restore")

    expect(page.get_by_role("button", name="Move to the trash")).to_be_visible()
    assert stored(program, trashed)["body"] == "One\nTwo\n"


def test_a_note_is_erased_from_the_trash_for_good(page, trashed, program):
    open_note(page, trashed, "Erase it")

    press(page, "Erase for good")

    expect(page.get_by_role("heading", level=1)).to_have_text("Trash")
    expect(page.locator(f"a[href$='{trashed['id']}']")).to_have_count(0)
    assert program.post(f"/api/v1/notes/{trashed['id']}/restore").status == 404


def test_a_stale_page_erases_nothing(page, trashed, program):
    open_note(page, trashed, "Erase it")
    program.post(f"/api/v1/notes/{trashed['id']}/restore")
    program.delete(f"/api/v1/notes/{trashed['id']}")

    press(page, "Erase for good")

    expect(page.get_by_role("alert")).to_contain_text("has changed since you opened this form")
    assert program.post(f"/api/v1/notes/{trashed['id']}/restore").status == 200


def test_who_may_only_look_is_offered_no_way_back(open_browser, trashed):
    page = open_note(open_browser("vera").new_page(), trashed)

    expect(page.locator("main pre.text")).to_have_text("One\nTwo\n")
    expect(page.locator("main form")).to_have_count(0)
    page.goto("/api/v1/trash")
    expect(page.locator("main form")).to_have_count(0)
