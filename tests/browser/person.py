"""What a person does with a page, by what they read on it: with the mouse, or with the keyboard alone."""

MOST_TABS = 200
# What a screen reader would read first, near enough: the label of a field, the text of a link.
NAME = """() => {
  const it = document.activeElement
  return (it.getAttribute("aria-label") ?? it.labels?.[0]?.innerText ?? it.innerText ?? it.value ?? "").trim()
}"""
IS_MARKED = """() => {
  const style = getComputedStyle(document.activeElement)
  return style.outlineStyle !== "none" || style.boxShadow !== "none"
}"""


def open_note(page, note, *summaries):
    """Open the page of the note, and there the forms behind these words."""
    page.goto(f"/api/v1/notes/{note['id']}")
    for summary in summaries:
        page.locator("summary", has_text=summary).first.click()
    return page


def press(page, button):
    page.get_by_role("button", name=button, exact=True).click()


def field(page, label, button):
    """Return the field of the form that this button sends."""
    form = page.locator("form").filter(has=page.get_by_role("button", name=button, exact=True))
    return form.get_by_label(label).first


def tab_to(page, name):
    """Press Tab until what begins with this name has the focus, and can be seen to have it."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate(NAME).startswith(name):
            assert page.evaluate(IS_MARKED), f"{name} has the focus, and nothing shows it"
            return
    raise AssertionError(f"{name} is not reached by Tab on {page.url}")


def enter(page, name):
    """Press Enter on what leads to another page, and wait for it."""
    tab_to(page, name)
    with page.expect_event("load"):
        page.keyboard.press("Enter")
