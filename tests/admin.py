"""The pages of the admin, and what a browser sends from them."""

import re

from django.urls import reverse

LIST = "/admin/notes/note/"
ADD = "/admin/notes/note/add/"
REVISIONS = "/admin/notes/revision/"
NOTEBOOKS = "/admin/notes/notebook/"
KEYS = "/admin/notes/apikey/"
SCRIPT = "<script>alert(1)</script>"


def page(note, view="change"):
    return reverse(f"admin:notes_note_{view}", args=[note.pk])


def sent_by(response, **typed):
    """Return what a browser sends for the form on this page, after a person has typed some of it."""
    form = response.context["adminform"].form
    fields = {}
    for bound in form:
        if bound.name not in typed and bound.value() is not None:
            fields[bound.name] = str(bound.value())
    fields.update(typed)
    if "body" in fields:
        fields["body"] = re.sub(r"\r\n|\r|\n", "\r\n", fields["body"])
    for name in {"title", "tags"} & fields.keys():
        fields[name] = re.sub(r"[\r\n]", "", fields[name])
    return fields


def save(browser, note, **typed):
    return browser.post(page(note), sent_by(browser.get(page(note)), **typed))


def errors_of(response):
    assert response.status_code == 200
    return response.context["adminform"].form.errors


def numbers(note):
    return list(note.revisions.order_by("number").values_list("number", flat=True))


def typed(for_notebook, **fields):
    """Return what a browser sends for the form of a new key."""
    return {
        "name": "phone",
        "notebook": for_notebook.pk,
        "level": "write",
        "expires_at_0": "",
        "expires_at_1": "",
        **fields,
    }
