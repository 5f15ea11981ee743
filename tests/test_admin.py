"""The admin lets in only people with permission, shows text as text, and has only the pages of the service."""

import re

from django.contrib import admin
from django.test import Client

from notes import safe_html
from tests.admin import ADD, KEYS, LIST, NOTEBOOKS, REVISIONS, SCRIPT, numbers, page, sent_by
from tests.people import make_key, make_staff
from tests.writing import create_note, edit, trash

# Text stays text


def test_markup_in_a_note_is_shown_as_text_everywhere(browser, notebook, by):
    note = create_note(notebook, by, title=SCRIPT, body=f"</textarea></pre>{SCRIPT}", tags=[f'"{SCRIPT}'])
    edit(note, by, body=SCRIPT)
    revision = note.revisions.latest("number")

    pages = {
        "list": browser.get(LIST),
        "filtered": browser.get(LIST, {"tag": f'"{SCRIPT}', "q": SCRIPT}),
        "page": browser.get(page(note)),
        "history": browser.get(page(note, "history")),
        "question": browser.get(page(note, "delete")),
        "questions": browser.post(LIST, {"action": "delete_selected", "_selected_action": [note.pk]}),
        "refused": browser.post(page(note), {"title": SCRIPT, "body": SCRIPT, "tags": SCRIPT + "x" * 50}),
        "saved": browser.post(page(note), sent_by(browser.get(page(note)), body="x", _continue="1"), follow=True),
        "revisions": browser.get(REVISIONS),
        "revision": browser.get(f"{REVISIONS}{revision.pk}/change/"),
        "deleted": browser.post(page(note, "delete"), {"post": "yes"}, follow=True),
        "in trash": browser.get(page(note)),
    }

    for name, response in pages.items():
        assert response.status_code == 200, name
        assert SCRIPT not in response.content.decode(), name
        assert "&lt;script&gt;" in response.content.decode(), name


def test_a_note_is_shown_as_it_reads_beside_its_source(browser, notebook, by):
    note = create_note(notebook, by, title="Plan", body="# Milk\n\n<b>![cat](https://example.org/cat.png)")
    long = create_note(notebook, by, title="Long", body="x" * (safe_html.MAX_CHARS + 1))

    text = browser.get(page(note)).content.decode()

    assert "<h1>Milk</h1>" in text
    assert "&lt;b&gt;" in text
    assert "<img" not in text
    assert b"too long to be shown as it reads" in browser.get(page(long)).content


def test_no_page_has_a_style_or_a_script_of_its_own(browser, note, by):
    edit(note, by, body="Two")
    for address in ["/admin/", LIST, page(note), page(note, "history"), page(note, "delete"), REVISIONS, ADD, KEYS]:
        text = browser.get(address).content.decode()
        assert not re.search(r"<style|<script(?![^>]* src=)| style=| on\w+=", text), address
        assert 'href="/static/notes/admin.css"' in text, address


# Who may


def test_strangers_are_sent_to_the_login(client, note):
    for address in [LIST, ADD, page(note), page(note, "history"), page(note, "delete"), REVISIONS, NOTEBOOKS, KEYS]:
        assert client.get(address)["Location"].startswith("/admin/login/")


def test_staff_who_may_only_view_can_neither_edit_nor_delete(note, db):
    reader = make_staff("eve", "view_note")
    client = Client()
    client.force_login(reader)

    text = client.get(page(note)).content.decode()

    assert "Two" in text
    assert "<textarea" not in text
    assert client.get(page(note, "history")).status_code == 200
    assert client.post(page(note), {"title": "Mine", "etag": "1-0"}).status_code == 403
    assert client.post(page(note, "delete"), {"post": "yes"}).status_code == 403
    client.post(LIST, {"action": "delete_selected", "_selected_action": [note.pk], "post": "yes"})
    assert numbers(note) == [1]


def test_whoever_may_only_view_sees_everything_and_is_offered_no_change(notebook, note, by):
    trashed = create_note(notebook, by, title="Gone")
    edit(note, by, body="Two")
    trash(trashed, by)
    key, _ = make_key(notebook)
    reader = Client()
    reader.force_login(make_staff("eve", "view_note", "view_revision", "view_notebook", "view_apikey"))

    for address in [
        "/admin/",
        *(LIST, f"{LIST}?q=plan", f"{LIST}?trash=yes", page(note), page(note, "history"), page(trashed)),
        *(REVISIONS, f"{REVISIONS}{note.revisions.latest('number').pk}/change/"),
        *(NOTEBOOKS, f"{NOTEBOOKS}{notebook.pk}/change/", KEYS, f"{KEYS}{key.pk}/change/"),
    ]:
        response = reader.get(address)
        assert response.status_code == 200, address
        forms = re.findall(r'<form[^>]*method="post"[^>]*>.*?</form>', response.content.decode(), flags=re.DOTALL)
        offered = [form for form in forms if 'id="logout-form"' not in form and 'type="submit"' in form]
        assert not offered, address
        assert ">Add<" not in response.content.decode(), address


def test_only_these_tables_of_the_service_are_shown():
    shown = {model.__name__ for model in admin.site._registry if model._meta.app_label == "notes"}

    assert shown == {"ApiKey", "Note", "Notebook", "Revision"}


def test_the_site_is_called_notes(browser):
    text = browser.get("/admin/").content.decode()

    assert "<title>Administration | Notes administration</title>" in text
    assert '<a href="/admin/">Notes</a>' in text
