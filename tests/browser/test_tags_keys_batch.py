"""Tags, keys and batch, used by a person."""

import json

from playwright.sync_api import expect

from tests.browser import hostile
from tests.browser.conftest import created, stored
from tests.browser.person import field, open_note, press


def open_rename(page):
    page.goto("/api/v1/tags")
    page.locator("summary", has_text="Rename a tag").click()
    return page


def test_a_tag_is_renamed_on_its_notes(page, program):
    notes = [created(program, title=f"Gloves {number}", tags=["wool"]) for number in range(2)]
    open_rename(page)

    field(page, "Tag", "Rename the tag").fill("wool")
    field(page, "Name", "Rename the tag").fill("knitting")
    press(page, "Rename the tag")

    page.get_by_role("link", name="knitting", exact=True).click()
    expect(page.get_by_role("heading", level=2)).to_have_text(["Gloves 1", "Gloves 0"])
    assert [stored(program, note)["tags"] for note in notes] == [["knitting"], ["knitting"]]


def test_what_is_wrong_with_a_tag_stands_beside_its_field(page):
    open_rename(page)

    field(page, "Tag", "Rename the tag").fill("work")
    field(page, "Name", "Rename the tag").fill("t" * 51)
    press(page, "Rename the tag")

    name = page.locator("label", has=page.locator("input[name=name]"))
    expect(name.locator(".error")).to_be_visible()
    expect(field(page, "Tag", "Rename the tag")).to_have_value("work")
    expect(field(page, "Name", "Rename the tag")).to_have_value("t" * 51)


def test_a_key_is_shown_once_and_revoked(page):
    name = f"Made on a page {hostile.IMAGE}"
    page.goto("/api/v1/keys")
    page.locator("summary", has_text="New key").click()
    field(page, "Name", "Make the key").fill(name)
    field(page, "Level", "Make the key").select_option("read")
    press(page, "Make the key")

    key = page.locator("code.secret").inner_text()
    assert page.request.get("/api/v1/me", headers={"X-API-Key": key}).json()["level"] == "read"
    page.get_by_role("link", name="All keys").click()
    row = page.locator("li", has_text=name)
    expect(row).to_be_visible()
    assert key not in page.content()

    row.locator("summary", has_text="Revoke it").click()
    press(row, "Revoke the key")
    expect(row).to_have_count(0)
    assert page.request.get("/api/v1/me", headers={"X-API-Key": key}).status == 401


def test_a_batch_is_written(page, note, program):
    open_note(page, note).get_by_role("link", name="Batch").click()
    patch = {"op": "patch", "id": note["id"], "body": "Written with others\n"}

    operations = [{"op": "create", "title": "The other one"}, patch]
    field(page, "Operations", "Write them all").fill(json.dumps({"operations": operations}))
    press(page, "Write them all")

    expect(page.locator("main")).to_contain_text("All of it is done.")
    expect(page.get_by_role("link", name="The other one")).to_be_visible()
    assert stored(program, note)["body"] == "Written with others\n"


def test_a_refused_batch_says_why_and_keeps_what_was_typed(page):
    page.goto("/api/v1/#batch")

    for typed, reason in {'{"operations": [': "JSON", '{"operations": [{"op": "create"}]}': "title"}.items():
        field(page, "Operations", "Write them all").fill(typed)
        press(page, "Write them all")

        expect(page.get_by_role("alert")).to_contain_text(reason)
        expect(field(page, "Operations", "Write them all")).to_have_value(typed)
