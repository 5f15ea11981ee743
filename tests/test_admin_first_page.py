"""The first page of the admin tells what each notebook holds, and what happened lately, without counting rows."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from notes import backups
from notes.activity import last_numbers
from notes.models import Backup, Notebook, Revision
from tests.people import make_key, make_staff
from tests.writing import create_note, edit, trash

START = "/admin/"


def page_of(person):
    client = Client()
    client.force_login(person)
    return client.get(START)


def test_it_tells_what_each_notebook_holds_the_last_written_first(browser, notebook, by):
    create_note(Notebook.objects.create(name="other"), by, title="Elsewhere")
    create_note(notebook, by, title="Plan")
    trash(create_note(notebook, by, title="Gone"), by)
    Notebook.objects.create(name="empty")

    response = browser.get(START)

    found = [(each.name, each.live_notes, each.trashed_notes) for each in response.context["notebooks"]]
    assert found == [("default", 1, 1), ("other", 1, 0), ("empty", 0, 0)]
    text = response.content.decode()
    assert '<a href="/admin/notes/note/?notebook=default&amp;trash=yes">1 in the trash</a>' in text
    assert f"{Revision.objects.get(notebook=notebook, number=3).written_at:%Y-%m-%d %H:%M:%S} UTC by a test" in text
    assert "none yet" in text


def test_a_picture_shows_the_writes_of_each_day(browser, notebook, by, note):
    for number in range(5):
        edit(note, by, body=str(number))
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    for number, days in enumerate([400, 29, 1, 1, 1, 0], 1):
        Revision.objects.filter(number=number).update(written_at=today - timedelta(days=days))

    response = browser.get(START)

    [shown] = response.context["notebooks"]
    assert [day.writes for day in shown.writes_per_day] == [1, *[0] * 27, 3, 1]
    assert [day.height for day in shown.writes_per_day] == [33, *[0] * 27, 100, 33]
    assert f"<title>{today:%Y-%m-%d}: 1 writes</title>" in response.content.decode()
    assert "5 altogether, at most 3 on a day." in response.content.decode()


@pytest.mark.parametrize("writes", [1, 2, 7, 8, 33])
def test_the_number_of_the_last_write_before_any_moment_is_found(notebook, by, note, writes):
    for number in range(writes - 1):
        edit(note, by, body=str(number))
    notebook.refresh_from_db()
    moments = [row.written_at for row in Revision.objects.order_by("number")]

    found = last_numbers([notebook, Notebook(pk=0)], [*moments, timezone.now()])

    assert [found[notebook.pk, moment] for moment in [*moments, max(found)[1]]][: writes + 1] == list(range(writes + 1))


def test_it_takes_no_more_queries_for_more_notebooks(browser, notebook, by, note, django_assert_num_queries):
    for number in range(3):
        edit(note, by, body=str(number))
    # Session, user, backups, notebooks, keys; writes 2 and 1.
    with django_assert_num_queries(7):
        browser.get(START)
    for number in range(12):
        create_note(Notebook.objects.create(name=f"Notebook {number}"), by, title="Plan")

    with django_assert_num_queries(6):
        assert len(browser.get(START).context["notebooks"]) == 10


def test_it_names_the_keys_that_expire_soon(browser, notebook):
    now = timezone.now()
    for name, days in [("soon", 13), ("sooner", 1), ("later", 15), ("over", -1)]:
        make_key(notebook, name=name, expires_at=now + timedelta(days=days))
    make_key(notebook, name="revoked", expires_at=now + timedelta(days=1))[0].revoke()
    make_key(notebook, name="forever")

    assert [key.name for key in browser.get(START).context["expiring_keys"]] == ["sooner", "soon"]


def test_it_tells_the_age_of_the_last_backup(browser):
    assert b"None is known." in browser.get(START).content
    Backup.objects.create(path="/backups/notes.sqlite3", made_at=timezone.now() - timedelta(hours=5, minutes=1))

    assert "5\xa0hours, 1\xa0minute ago" in browser.get(START).content.decode()
    assert backups.last_times()[0]


def test_it_shows_only_what_a_person_may_see(note):
    make_key(note.notebook, name="secret phone", expires_at=timezone.now() + timedelta(days=1))

    readers, stranger = page_of(make_staff("eve", "view_note")), page_of(make_staff("bob", "view_user"))

    assert b"1 live" in readers.content
    assert b"/admin/notes/revision/" not in readers.content
    assert b"secret phone" not in readers.content
    assert b"1 live" not in stranger.content
