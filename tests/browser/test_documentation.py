"""The start page and the documentation, used by a person who has a key and no login."""

import pytest
from playwright.sync_api import expect

from tests.keys import OPERATOR_KEY


@pytest.fixture
def tab(open_browser):
    return open_browser("visitor").new_page()


def authorize(page):
    page.goto("/api/docs")
    page.locator(".auth-wrapper .authorize").click()
    page.get_by_label("Value").first.fill(OPERATOR_KEY)
    page.get_by_role("button", name="Apply credentials").first.click()
    page.get_by_role("button", name="Close").first.click()


def try_out(page, operation):
    """Execute this operation with what its form has, and return what stands below: status and answer."""
    block = page.locator(f"[id$='-{operation}']")
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Execute").click()
    return block.locator(".live-responses-table .response")


def test_every_operation_can_be_tried_out_at_once(tab):
    authorize(tab)

    expect(try_out(tab, "whoAmI")).to_contain_text('"level": "admin"')
    created = try_out(tab, "createNote")
    expect(created.locator(".response-col_status")).to_contain_text("201")


def test_the_key_stays_while_its_tab_lives_and_no_other_tab_has_it(tab):
    authorize(tab)

    tab.reload()
    expect(try_out(tab, "whoAmI")).to_contain_text('"level": "admin"')

    other = tab.context.new_page()
    other.goto("/api/docs")
    expect(try_out(other, "whoAmI")).to_contain_text('"level": "public"')


def test_the_start_page_leads_to_every_face_and_tells_whether_all_is_well(tab, service):
    tab.goto("/")

    expect(tab.get_by_role("status")).to_contain_text("All is well")
    expect(tab.locator("pre")).to_contain_text(f"curl {service.url}/api/v1/notes")
    for name, heading in {"Browse the notes": "Notes", "Operation": "Operation"}.items():
        tab.goto("/")
        tab.locator("main").get_by_role("link", name=name).click()
        expect(tab.get_by_role("heading", level=1)).to_have_text(heading)
