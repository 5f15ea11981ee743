"""The browsable API, used by a person: each form, two tabs, the keyboard alone."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import stored
from tests.browser.person import enter, field, open_note, press, tab_to


def test_a_note_is_found_and_opened(page):
    page.goto("/api/v1/notes")

    field(page, "Search", "Search").fill("copy mode tmux")
    page.keyboard.press("Enter")
    expect(page.locator("mark").first).to_have_text("tmux")
    page.get_by_role("link", name="tmux: copy mode with vi keys").click()

    expect(page).to_have_title("tmux: copy mode with vi keys – Notes")
    expect(page.get_by_role("heading", level=1)).to_have_text("tmux: copy mode with vi keys")
    expect(page.locator("main")).to_contain_text("setw -g mode-keys vi")


def test_a_list_is_narrowed_by_its_filters(page):
    page.goto("/api/v1/notes")

    page.locator("summary", has_text="Filters").click()
    page.locator("form[role=search] input[name=tag]").first.fill("kitchen")
    press(page, "Filter")

    expect(page.get_by_role("heading", level=2)).to_have_text(["Shopping", "Bread with a long rest"])


def test_a_click_on_a_tag_lists_its_notes(page):
    page.goto("/api/v1/notes?q=olives")

    page.get_by_role("link", name="kitchen").click()

    expect(page.get_by_role("heading", level=2)).to_have_text(["Shopping", "Bread with a long rest"])


def test_a_note_is_created(page):
    page.goto("/api/v1/notes")
    page.locator("summary", has_text="New note").click()

    field(page, "Title", "Create the note").fill("From a form")
    field(page, "Body", "Create the note").fill("\n  Kept\n\nas typed 👩‍👩‍👧‍👦")
    field(page, "Tags", "Create the note").fill("paper, ink")
    press(page, "Create the note")

    expect(page.get_by_role("heading", level=1)).to_have_text("From a form")
    note = page.request.get(f"{page.url}?format=json").json()
    assert (note["body"], note["tags"]) == ("\n  Kept\n\nas typed 👩‍👩‍👧‍👦", ["paper", "ink"])


def test_what_is_wrong_stands_beside_its_field_and_all_that_was_typed_is_there(page):
    page.goto("/api/v1/notes")
    page.locator("summary", has_text="New note").click()

    field(page, "Title", "Create the note").fill("x" * 201)
    field(page, "Body", "Create the note").fill("A long text")
    press(page, "Create the note")

    expect(page.get_by_role("alert")).to_be_visible()
    title = page.locator("label", has=page.locator("input[name=title]")).filter(has_text="at most 200 characters")
    expect(title).to_be_visible()
    expect(field(page, "Title", "Create the note")).to_have_value("x" * 201)
    expect(field(page, "Body", "Create the note")).to_have_value("A long text")


def test_a_note_is_edited(page, note, program):
    open_note(page, note, "Edit")

    field(page, "Body", "Save").fill("Three\n")
    press(page, "Save")

    expect(page.locator("main pre.text")).to_have_text("Three\n")
    assert stored(program, note) == {**stored(program, note), "body": "Three\n", "metadata": {"place": "desk"}}


def test_a_stale_form_is_refused_with_both_texts_and_nothing_is_lost(open_browser, note, program):
    browser = open_browser()
    first, second = (open_note(browser.new_page(), note, "Edit") for _ in range(2))
    field(second, "Body", "Save").fill("What the second tab wrote\n")
    press(second, "Save")
    expect(second.locator("main pre.text")).to_have_text("What the second tab wrote\n")

    field(first, "Body", "Save").fill("What the first tab wrote\n")
    press(first, "Save")

    expect(first.get_by_role("alert")).to_contain_text("has changed since you opened this form")
    expect(first.locator("main pre.text")).to_have_text("What the second tab wrote\n")
    expect(field(first, "Body", "Save")).to_have_value("What the first tab wrote\n")
    assert stored(program, note)["body"] == "What the second tab wrote\n"

    press(first, "Save")

    expect(first.locator("main pre.text")).to_have_text("What the first tab wrote\n")
    assert stored(program, note)["body"] == "What the first tab wrote\n"


def test_a_stale_form_does_not_trash(open_browser, note, program):
    page = open_note(open_browser().new_page(), note)
    program.patch(f"/api/v1/notes/{note['id']}", data={"body": "Newer\n"})

    press(page, "Move to the trash")

    expect(page.get_by_role("alert")).to_contain_text("has changed since you opened this form")
    assert stored(program, note)["body"] == "Newer\n"


@pytest.mark.parametrize(
    ("summary", "typed", "button", "body"),
    [
        ("Add at the end", {"Text": "Three\n"}, "Append", "One\nTwo\nThree\n"),
        ("Add at the beginning", {"Text": "Zero\n"}, "Prepend", "Zero\nOne\nTwo\n"),
        ("Replace text", {"Find": "Two", "Replace": "2"}, "Replace", "One\n2\n"),
    ],
)
def test_a_small_edit_is_made(page, note, program, summary, typed, button, body):
    open_note(page, note, summary)

    for label, text in typed.items():
        field(page, label, button).fill(text)
    press(page, button)

    expect(page.locator("main pre.text")).to_have_text(body)
    assert stored(program, note)["body"] == body


def test_what_cannot_be_replaced_is_said_beside_what_was_typed(page, note):
    open_note(page, note, "Replace text")

    field(page, "Find", "Replace").fill("Nowhere")
    field(page, "Replace", "Replace").fill("Somewhere")
    press(page, "Replace")

    expect(page.get_by_role("alert")).to_be_visible()
    expect(field(page, "Find", "Replace")).to_have_value("Nowhere")
    expect(field(page, "Replace", "Replace")).to_have_value("Somewhere")


def test_a_note_is_trashed_and_restored(page, note, program):
    open_note(page, note)

    press(page, "Move to the trash")
    expect(page.locator("main")).to_contain_text("in the trash")
    assert program.get(f"/api/v1/notes/{note['id']}").status == 404
    press(page, "Restore")

    expect(page.get_by_role("button", name="Move to the trash")).to_be_visible()
    assert stored(program, note)["title"] == "Plan"


def test_the_keyboard_alone_finds_and_changes_a_note(page, note, program):
    program.patch(f"/api/v1/notes/{note['id']}", data={"title": "Keyboard"})
    page.goto("/")

    enter(page, "Browse")
    tab_to(page, "Search")
    page.keyboard.type("keyboard")
    enter(page, "Search")
    enter(page, "Keyboard")
    tab_to(page, "Add at the end")
    page.keyboard.press("Enter")
    tab_to(page, "Text")
    page.keyboard.type("Typed without a mouse\n")
    enter(page, "Append")

    expect(page.locator("main pre.text")).to_have_text("One\nTwo\nTyped without a mouse\n")


def test_hostile_text_is_shown_as_text(page, hostile_notes):
    for note in hostile_notes.values():
        page.goto(f"/api/v1/notes/{note['id']}")

        expect(page.get_by_role("heading", level=1)).to_have_text(note["title"], use_inner_text=False)
        assert page.locator("main pre.text").text_content() == note["body"]
        assert page.locator("a[href^='javascript:'], a[href^='data:'], main script, main img").count() == 0
