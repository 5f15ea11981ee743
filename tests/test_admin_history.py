"""What the admin shows of the past: the history of a note, the log of writes, and the way back."""

import re
from datetime import UTC, datetime

import pytest
from django.test import Client

from notes.admin.log import LOG_PAGE_SIZE
from notes.door import erase
from notes.models import Notebook, Revision
from tests.admin import KEYS, LIST, REVISIONS, numbers, page, save
from tests.people import client_with_key, make_key, make_staff
from tests.writing import edit, purge, trash

# History


@pytest.mark.parametrize("view", ["change", "history"])
def test_the_page_of_a_note_shows_who_wrote_what_and_when(browser, note, by, view):
    edited = save(browser, note, body="One\nTwo and a half\n", tags="work, home")

    text = browser.get(page(note, view)).content.decode()

    assert "<del>- Two</del><ins>+ Two and a half</ins>" in text
    assert "<del>- Tags: work</del><ins>+ Tags: work, home</ins>" in text
    assert "<ins>+ Title: Plan</ins>" in text
    assert re.search(r"<h3>edit by ada</h3>\s*<p class=\"help\">[-\d]+ [:\d]+ UTC, revision .*, staff:", text)
    assert edited["X-Request-ID"] in text
    assert text.index("edit by ada") < text.index("create by a test")


def test_a_move_to_the_trash_shows_no_diff(browser, note, by):
    trash(note, by)

    assert b"The text stayed the same." in browser.get(page(note, "history")).content


def test_the_history_shows_fifty_writes_and_a_link_to_the_older_ones(browser, note, by, django_assert_max_num_queries):
    for number in range(LOG_PAGE_SIZE):
        edit(note, by, body=f"Edit {number}")

    with django_assert_max_num_queries(4):
        newest = browser.get(page(note, "history"))
    older = browser.get(page(note, "history") + "?before=2")

    assert [write.number for write, _ in newest.context["log"].writes] == list(range(51, 1, -1))
    assert b"<del>- Two</del>" in newest.content
    assert b"?before=2" in newest.content
    assert [write.number for write, _ in older.context["log"].writes] == [1]
    assert b"Older writes" not in older.content


def test_the_history_of_pruned_revisions_says_that_their_text_is_gone(browser, note, by):
    edit(note, by, body="Second")
    edit(note, by, body="Third")
    erase(note.revisions.filter(number=1))

    text = browser.get(page(note, "history")).content.decode()

    assert "<del>- Second</del>" in text
    assert "The text before this write has been erased." in text
    assert "The text after this write has been erased." in text


def test_a_purged_note_is_not_shown_and_its_log_has_no_text(browser, note, by):
    purge(note, by)

    for address in [LIST, f"{LIST}?trash=yes"]:
        assert not browser.get(address).context["cl"].result_list
    log = browser.get(REVISIONS)
    assert len(log.context["cl"].result_list) == 2
    assert "Plan" not in log.content.decode()
    assert browser.get(page(note)).status_code == 302
    assert browser.get(f"{REVISIONS}{note.revisions.earliest('number').pk}/change/").status_code == 200


@pytest.mark.parametrize("before", ["x", "-1", "", "9" * 40, "9" * 18, "٣", "%00"])
def test_a_strange_number_in_the_address_of_the_history_is_harmless(browser, note, before):
    assert browser.get(f"{page(note, 'history')}?before={before}").status_code == 200


@pytest.mark.parametrize("key", ["999", "x", "9" * 30])
@pytest.mark.parametrize("view", ["change", "history", "delete"])
def test_a_note_that_is_not_there_leads_back_to_the_start(browser, key, view):
    for response in [browser.get(f"{LIST}{key}/{view}/"), browser.post(f"{LIST}{key}/{view}/", {"post": "yes"})]:
        assert response.status_code == 302
        assert response["Location"] == "/admin/"


# The log of writes


@pytest.fixture
def revision(note):
    return note.revisions.get()


def test_the_log_can_be_read_but_not_written(browser, revision):
    address = f"{REVISIONS}{revision.pk}/"

    assert b"Two" in browser.get(f"{address}change/").content
    assert browser.get(f"{REVISIONS}add/").status_code == 403
    assert browser.post(f"{address}change/", {"title": "x"}).status_code == 403
    assert browser.post(f"{address}delete/", {"post": "yes"}).status_code == 403
    browser.post(REVISIONS, {"action": "delete_selected", "_selected_action": [revision.pk], "post": "yes"})
    assert Revision.objects.get().title == "Plan"


def test_the_log_shows_the_newest_first_and_filters(browser, user, note, by):
    edited = save(browser, note, title="Plan B")
    note.refresh_from_db()
    trash(note, by)

    def shown(query=""):
        return [revision.action for revision in browser.get(REVISIONS + query).context["cl"].result_list]

    assert shown() == ["trash", "edit", "create"]
    assert shown("?action__exact=edit") == ["edit"]
    assert shown(f"?by=staff:{user.pk}") == ["edit"]
    assert shown("?by=staff:%00") == []
    assert shown(f"?q={edited['X-Request-ID']}") == ["edit"]


def test_the_log_of_a_day_is_found_by_its_numbers(browser, note, by):
    for number in range(4):
        edit(note, by, body=str(number))
    days = [datetime(2026, 11, day, 12, tzinfo=UTC) for day in (1, 2, 2, 3, 3)]
    for number, day in enumerate(days, 1):
        Revision.objects.filter(number=number).update(written_at=day)

    def numbers_of(query):
        return [row.number for row in browser.get(f"{REVISIONS}?{query}").context["cl"].result_list]

    [link] = set(re.findall(r'href="\?([^"]*)">2026-11-02<', browser.get(REVISIONS).content.decode()))
    assert numbers_of(link.replace("&amp;", "&")) == [3, 2]
    assert numbers_of(link.replace("&amp;", "&") + "&p=3") == [2]
    assert numbers_of("written_at__gte=2026-11-03+00:00:00Z") == [5, 4]
    assert numbers_of("written_at__lt=2026-11-01+00:00:00Z") == []


def test_the_log_offers_the_keys_of_the_notebook(browser, notebook, note):
    key, text = make_key(notebook, name="phone")
    client_with_key(text).post("/api/v1/notes", {"title": "From the phone"})
    make_key(Notebook.objects.create(name="other"), name="tablet")

    page = browser.get(REVISIONS).content.decode()
    link = re.search(r'href="([^"]*)">\s*key phone<', page)[1].replace("&amp;", "&")

    assert "key tablet" not in page
    assert [row.writer for row in browser.get(REVISIONS + link).context["cl"].result_list] == [key.writer_id]
    assert f"by={key.writer_id}".replace(":", "%3A") in browser.get(f"{KEYS}{key.pk}/change/").content.decode()


def test_the_log_takes_the_same_few_queries_for_one_write_and_for_many(browser, note, by, django_assert_num_queries):
    # Session, user, the notebooks and keys to filter by, the chosen one (for rows, and for its last number), writes.
    with django_assert_num_queries(7):
        browser.get(REVISIONS)
    for number in range(20):
        edit(note, by, body=str(number))

    with django_assert_num_queries(7):
        browser.get(REVISIONS)


# Back to an old revision


def test_a_button_in_the_log_writes_an_old_revision_again(staff, note, by):
    edit(note, by, title="Changed", body="Other")
    page = staff.get(f"/admin/notes/note/{note.pk}/change/").content.decode()
    assert f'action="/admin/notes/note/{note.pk}/revert/1/"' in page
    assert f'action="/admin/notes/note/{note.pk}/revert/2/"' not in page

    response = staff.post(f"/admin/notes/note/{note.pk}/revert/1/", follow=True)

    note.refresh_from_db()
    assert (note.title, note.body, note.revision) == ("Plan", "One\nTwo\n", 3)
    assert "again what it was at revision 1" in response.content.decode()
    assert Revision.objects.get(number=3).writer.startswith("staff:")


@pytest.mark.parametrize("number", [2, 99])
def test_a_revision_that_is_the_present_or_unknown_writes_nothing(staff, note, by, number):
    edit(note, by, title="Changed")

    response = staff.post(f"/admin/notes/note/{note.pk}/revert/{number}/", follow=True)

    assert "Nothing was changed" in response.content.decode()
    assert Revision.objects.count() == 2


def test_a_button_takes_a_note_out_of_the_trash(browser, user, note, by):
    assert b"Restore from the trash" not in browser.get(page(note)).content
    trash(note, by)
    assert b"Restore from the trash" in browser.get(page(note)).content

    response = browser.post(page(note, "restore"), follow=True)

    assert b"Restored 1 note." in response.content
    note.refresh_from_db()
    assert note.deleted_at is None
    assert note.revisions.latest("number").writer == f"staff:{user.pk}"


def test_the_button_takes_nothing_out_for_a_link_a_reader_or_a_forged_form(note, by):
    trash(note, by)
    reader, writer = Client(), Client(enforce_csrf_checks=True)
    reader.force_login(make_staff("eve", "view_note"))
    writer.force_login(make_staff("ada"))

    assert b"Restore" not in reader.get(page(note)).content
    for answer in [reader.post(page(note, "restore")), writer.post(page(note, "restore"))]:
        assert answer.status_code == 403
    assert writer.get(page(note, "restore")).status_code == 403
    assert numbers(note) == [1, 2]


def test_the_button_is_for_live_notes_posts_and_people_who_may_change_them(staff, note, by, client):
    address = f"/admin/notes/note/{note.pk}/revert/1/"

    assert staff.get(address).status_code == 403
    assert client.post(address).status_code == 302
    trash(note, by)
    assert staff.post(address).status_code == 403
    assert Revision.objects.count() == 2
