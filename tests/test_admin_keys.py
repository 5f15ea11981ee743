"""Notebooks and API keys in the admin."""

import re
from datetime import UTC, datetime

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db import IntegrityError
from django.forms.models import BaseModelForm
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from notes.models import ApiKey, Notebook
from tests.admin import KEYS, NOTEBOOKS, errors_of, typed
from tests.people import client_with_key, make_key, make_staff
from tests.writing import create_note

# Notebooks


def test_a_notebook_can_be_added(browser):
    browser.post(f"{NOTEBOOKS}add/", {"name": "work", "revision": "7"})

    assert Notebook.objects.get(name="work").revision == 0


def test_renaming_a_notebook_does_not_set_back_its_counter(browser, by, monkeypatch):
    work = Notebook.objects.create(name="work")
    form_save = type(browser.get(f"{NOTEBOOKS}{work.pk}/change/").context["adminform"].form).save

    def save_while_others_write(form, commit=True):
        create_note(Notebook.objects.get(pk=work.pk), by, title="Plan")
        return form_save(form, commit)

    monkeypatch.setattr("django.forms.models.BaseModelForm.save", save_while_others_write)
    browser.post(f"{NOTEBOOKS}{work.pk}/change/", {"name": "projects"})

    work.refresh_from_db()
    assert (work.name, work.revision) == ("projects", 1)


def test_the_default_notebook_keeps_its_name(browser, notebook):
    browser.post(f"{NOTEBOOKS}{notebook.pk}/change/", {"name": "mine"})

    notebook.refresh_from_db()
    assert notebook.name == "default"


def test_a_notebook_cannot_be_deleted(browser, notebook):
    assert browser.post(f"{NOTEBOOKS}{notebook.pk}/delete/", {"post": "yes"}).status_code == 403
    assert b"delete_selected" not in browser.get(NOTEBOOKS).content


def test_a_name_that_is_taken_is_a_form_error(browser, notebook):
    assert "name" in errors_of(browser.post(f"{NOTEBOOKS}add/", {"name": "default"}))


def test_a_name_that_is_taken_at_the_last_moment_is_a_message(browser, monkeypatch):
    def taken(*args, **kwargs):
        raise IntegrityError

    monkeypatch.setattr(Notebook, "save", taken)

    response = browser.post(f"{NOTEBOOKS}add/", {"name": "work"}, follow=True)

    assert b"Nothing was saved." in response.content


def test_a_notebook_can_be_opened_to_the_public_and_closed(browser, notebook, client):
    address = f"{NOTEBOOKS}{notebook.pk}/change/"

    browser.post(address, {})
    closed = client.get("/api/v1/notes").status_code
    browser.post(address, {"public": "on"})
    opened = client.get("/api/v1/notes").status_code

    assert (closed, opened) == (401, 200)


# API keys


def key_page(key, view="change"):
    return reverse(f"admin:notes_apikey_{view}", args=[key.pk])


def text_on(response):
    [text] = set(re.findall(r"notes_[0-9A-Za-z]{38}", response.content.decode()))
    return text


def test_a_key_made_here_is_shown_once_and_opens_its_notebook(browser, user):
    work = Notebook.objects.create(name="work")

    response = browser.post(f"{KEYS}add/", typed(work, expires_at_0="2999-01-31", expires_at_1="12:00"))

    text = text_on(response)
    key = ApiKey.objects.get()
    assert (key.name, key.notebook, key.level, key.created_by) == ("phone", work, "write", "ada")
    assert client_with_key(text).get("/api/v1/me").json()["notebook"] == "work"
    assert "no-store" in response["Cache-Control"]
    for address in [KEYS, key_page(key), key_page(key, "history"), "/admin/"]:
        assert text not in browser.get(address).content.decode()


def test_a_new_key_lies_in_no_cookie_session_or_log_of_the_admin(browser, notebook):
    response = browser.post(f"{KEYS}add/", typed(notebook))

    text = text_on(response)
    assert text not in str(browser.cookies) + str(response.headers)
    assert text not in str([dict(session.get_decoded()) for session in Session.objects.all()])
    entry = LogEntry.objects.get()
    assert entry.object_repr == "phone"
    assert text not in str(LogEntry.objects.values())


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "\u200b"}, "name"),
        ({"notebook": 999}, "notebook"),
        ({"level": "owner"}, "level"),
        ({"expires_at_0": "2001-01-31", "expires_at_1": "12:00"}, "expires_at"),
        ({"expires_at_0": "soon"}, "expires_at"),
    ],
)
def test_a_key_that_cannot_be_made_is_a_form_error(browser, notebook, fields, refused):
    assert list(errors_of(browser.post(f"{KEYS}add/", typed(notebook, **fields)))) == [refused]
    assert not ApiKey.objects.exists()


def test_only_the_name_of_a_key_can_be_changed(browser, notebook):
    key, _ = make_key(notebook, "read")
    other = Notebook.objects.create(name="other")
    sent = typed(other, name="tablet", level="admin", digest="0" * 64, expires_at_0="2999-01-31", expires_at_1="12:00")

    browser.post(key_page(key), sent)

    [row] = ApiKey.objects.filter(pk=key.pk).values()
    assert row["name"] == "tablet"
    assert (row["notebook_id"], row["level"], row["expires_at"]) == (notebook.pk, "read", None)
    assert row["digest"] == key.digest


def test_renaming_a_key_does_not_reopen_one_revoked_meanwhile(browser, notebook, monkeypatch):
    key, _ = make_key(notebook)
    form_save = BaseModelForm.save

    def save_while_others_revoke(form, commit=True):
        key.revoke()
        return form_save(form, commit)

    monkeypatch.setattr(BaseModelForm, "save", save_while_others_revoke)
    browser.post(key_page(key), {"name": "tablet"})

    key.refresh_from_db()
    assert key.name == "tablet"
    assert key.revoked_at is not None


def test_selected_keys_are_revoked_at_once_and_the_admin_log_says_by_whom(browser, user, notebook):
    keys = [make_key(notebook) for _ in range(2)]
    gone, _ = make_key(notebook, revoked_at=timezone.now())
    kept, _ = make_key(notebook)
    chosen = {"action": "revoke_selected", "_selected_action": [gone.pk, *(key.pk for key, _ in keys)]}

    response = browser.post(KEYS, chosen, follow=True)

    assert b"Revoked 2 keys." in response.content
    assert all(client_with_key(text).get("/api/v1/me").status_code == 401 for _, text in keys)
    assert ApiKey.objects.get(revoked_at=None) == kept
    entries = LogEntry.objects.values_list("object_id", "user", "change_message")
    assert set(entries) == {(str(key.pk), user.pk, "Revoked.") for key, _ in keys}


def test_a_key_cannot_be_deleted(browser, notebook):
    key, _ = make_key(notebook)

    assert browser.post(key_page(key, "delete"), {"post": "yes"}).status_code == 403
    browser.post(KEYS, {"action": "delete_selected", "_selected_action": [key.pk], "post": "yes"})
    assert ApiKey.objects.exists()


def test_the_list_of_keys_shows_state_and_use_in_the_same_few_queries(browser, notebook, django_assert_num_queries):
    make_key(notebook, name="old", expires_at=datetime(2001, 1, 31, tzinfo=UTC))
    # Session, user, the notebooks to filter by, keys.
    with django_assert_num_queries(4):
        browser.get(KEYS)
    for number in range(20):
        make_key(Notebook.objects.create(name=f"notebook {number}"), revoked_at=datetime(2002, 1, 31, tzinfo=UTC))

    with django_assert_num_queries(4):
        text = browser.get(KEYS).content.decode()

    assert "expired 2001-01-31 00:00" in text
    assert "revoked 2002-01-31" in text


@pytest.mark.parametrize("lookup", ["digest", "digest__startswith", "digest__gt"])
def test_the_address_of_the_list_does_not_try_out_digests(browser, notebook, lookup):
    key, _ = make_key(notebook)

    assert browser.get(f"{KEYS}?{lookup}={key.digest[:4]}").status_code == 400
    assert browser.get(f"{NOTEBOOKS}?keys__{lookup}={key.digest[:4]}").status_code == 400


def test_only_a_superuser_makes_keys(notebook):
    client = Client()
    client.force_login(make_staff("eve", "view_apikey", "add_apikey", "change_apikey"))
    key, _ = make_key(notebook)

    assert client.post(f"{KEYS}add/", typed(notebook)).status_code == 403
    assert f"{KEYS}add/" not in client.get(KEYS).content.decode()
    client.post(KEYS, {"action": "revoke_selected", "_selected_action": [key.pk]})
    assert ApiKey.objects.get().revoked_at


def test_staff_who_may_only_view_keys_make_and_revoke_none(notebook, db):
    reader = make_staff("eve", "view_apikey")
    client = Client()
    client.force_login(reader)
    key, _ = make_key(notebook)

    assert client.get(key_page(key)).status_code == 200
    assert client.post(f"{KEYS}add/", typed(notebook)).status_code == 403
    assert client.post(key_page(key), {"name": "mine"}).status_code == 403
    client.post(KEYS, {"action": "revoke_selected", "_selected_action": [key.pk]})
    key.refresh_from_db()
    assert (key.name, key.revoked_at) == ("write key", None)
    assert ApiKey.objects.count() == 1


def test_date_and_time_of_an_expiry_have_names_of_their_own(browser, notebook):
    text = browser.get(f"{KEYS}add/").content.decode()

    assert re.findall(r'name="(expires_at_\d)"[^>]*aria-label="(\w+)"', text) == [
        ("expires_at_0", "Date"),
        ("expires_at_1", "Time"),
    ]
