"""The administration, used by a person: inspect, edit, take back; and look without being allowed to change."""

import pytest
from playwright.sync_api import expect

from tests.browser import hostile
from tests.browser.conftest import created, stored
from tests.browser.person import field, press

LIST = "/admin/notes/note/?notebook=default"


@pytest.fixture
def note(program):
    """A note of which no other test has the title, edited once."""
    note = created(program, title="Ledger", body="One\n", tags=["ledger"])
    return program.patch(f"/api/v1/notes/{note['id']}", data={"body": "One\nTwo\n"}).json()


def open_note(page, note):
    """Find the note by its words, and open the newest of that title."""
    page.goto(f"{LIST}&q={note['title']}")
    page.locator("#result_list").get_by_role("link", name=note["title"]).first.click()
    expect(page.locator("#id_title, .field-title .readonly")).to_be_visible()
    return page


def test_the_first_page_tells_what_happened_lately(page):
    page.goto("/admin/")

    main = page.locator("#content")
    expect(main.get_by_role("heading", name="default")).to_be_visible()
    expect(main).to_contain_text("live")
    expect(main).to_contain_text("in the trash")
    expect(main.get_by_role("img", name="Writes per day")).to_be_visible()
    expect(main).to_contain_text("phone")


def test_notes_are_found_by_words_and_by_the_trash(page):
    page.goto(LIST)

    page.locator("#searchbar").fill('tag:tmux "copy mode"')
    press(page, "Search")
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    page.goto("/admin/")
    page.get_by_role("link", name="in the trash").click()

    expect(page.locator("#result_list")).to_contain_text("Gifts")


def test_a_note_is_edited(page, note, program):
    open_note(page, note)

    field(page, "Body", "Save").fill("Three\n")
    press(page, "Save")

    expect(page.locator(".messagelist")).to_contain_text("changed successfully")
    assert stored(program, note)["body"] == "Three\n"


def test_a_stale_form_is_refused_with_both_texts_and_nothing_is_lost(open_browser, note, program):
    browser = open_browser()
    first, second = (open_note(browser.new_page(), note) for _ in range(2))
    field(second, "Body", "Save").fill("What the second tab wrote\n")
    press(second, "Save")
    expect(second.locator(".messagelist")).to_be_visible()

    field(first, "Body", "Save").fill("What the first tab wrote\n")
    press(first, "Save")

    expect(first.locator(".errornote")).to_be_visible()
    expect(first.locator("#content")).to_contain_text("What the second tab wrote")
    expect(field(first, "Body", "Save")).to_have_value("What the first tab wrote\n")
    assert stored(program, note)["body"] == "What the second tab wrote\n"


def test_a_revision_is_restored_and_the_trash_gives_back(page, note, program):
    open_note(page, note)
    expect(page.locator("ins").first).to_contain_text("Two")
    page.get_by_role("button", name="Restore revision").first.click()
    expect(page.locator(".messagelist")).to_be_visible()
    assert stored(program, note)["body"] == "One\n"

    open_note(page, note)
    page.get_by_role("link", name="Delete").click()
    page.locator("#content form [type=submit]").first.click()
    assert program.get(f"/api/v1/notes/{note['id']}").status == 404
    page.goto(f"{LIST}&trash=yes")
    page.locator("#result_list").get_by_role("link", name=note["title"]).first.click()
    page.get_by_role("button", name="Restore").first.click()

    expect(page.locator(".messagelist")).to_be_visible()
    assert stored(program, note)["body"] == "One\n"


def test_who_may_look_sees_everything_and_can_change_nothing(open_browser, note):
    page = open_note(open_browser("vera").new_page(), note)

    expect(page.locator("#content")).to_contain_text("Two")
    expect(page.locator("#content ins").first).to_contain_text("Two")
    expect(page.locator("#content form [type=submit]")).to_have_count(0)
    page.goto("/admin/notes/revision/?notebook=default")
    expect(page.locator("#result_list")).to_contain_text("Ledger")


def test_the_log_is_narrowed_to_a_writer_by_a_click(page, note, program):
    program.delete(f"/api/v1/notes/{note['id']}")
    page.goto("/admin/notes/revision/?notebook=default&action__exact=trash")
    log = page.locator("#result_list")
    of_programs = log.locator("tr", has_text="operator")
    expect(of_programs.first).to_contain_text("Ledger")

    log.locator("tr", has_text="Gifts").get_by_role("link", name="staff:").click()

    expect(log).to_contain_text("Gifts")
    expect(of_programs).to_have_count(0)


def test_a_key_is_shown_once_and_revoked(page):
    page.goto("/admin/notes/apikey/add/")
    field(page, "Name", "Save").fill(f"once {hostile.IMAGE}"[:90])
    page.locator("#id_notebook").select_option(label="default")
    page.locator("#id_level").select_option("read")
    press(page, "Save")

    key = page.locator("code").inner_text()
    page.goto("/admin/notes/apikey/")
    assert key not in page.content()

    assert page.request.get("/api/v1/me", headers={"X-API-Key": key}).json()["level"] == "read"
    page.locator("#result_list tr", has_text="once <img").locator("[name=_selected_action]").check()
    page.locator("[name=action]").select_option("revoke_selected")
    press(page, "Go")
    expect(page.locator(".messagelist")).to_be_visible()
    assert page.request.get("/api/v1/me", headers={"X-API-Key": key}).status == 401


def test_hostile_notes_read_as_text(page, hostile_notes):
    for name in ("markup", "links", "long"):
        page.goto(f"{LIST}&tag={hostile_notes[name]['tags'][0]}".replace("#", "%23"))
        page.locator("#result_list a", has_text=hostile_notes[name]["title"]).first.click()

        expect(page.locator("#id_title")).to_have_value(hostile_notes[name]["title"])
        assert page.locator("#content a[href^='javascript:'], #content a[href^='data:']").count() == 0
        assert page.locator("#content :is(img, script)[src*=elsewhere], #content style").count() == 0
