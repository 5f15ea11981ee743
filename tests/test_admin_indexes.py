"""No page of the admin counts rows, reads a whole table or sorts one: each goes along an index, page by page."""

import re
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.utils import timezone
from django.utils.http import urlencode

from notes.admin import log
from notes.admin.notes import NoteAdmin
from notes.models import Note, Notebook
from tests.admin import ADD, KEYS, LIST, NOTEBOOKS, REVISIONS, page
from tests.people import make_key, make_staff
from tests.writing import create_note, edit, trash

PEOPLE, GROUPS = "/admin/auth/user/", "/admin/auth/group/"
CHOICES = "/admin/autocomplete/?app_label=notes&model_name=revision&field_name=note"
SINCE = urlencode({"created_at__gte": "2000-01-01 00:00:00+00:00", "created_at__lt": "2999-01-01 00:00:00+00:00"})
WRITTEN = urlencode({"written_at__gte": "2000-01-01 00:00:00+00:00", "written_at__lt": "2999-01-01 00:00:00+00:00"})
MOMENT = urlencode({"p": "2026-01-01 00:00:00+00:00"})

# How each database names what must not be: reading all rows of notes or of the log, and sorting.
READS_ALL = {
    "sqlite": r"SCAN notes_(note|revision)\b",
    "postgresql": r"Seq Scan on notes_(note|revision)\b",
}
SORTS = {"sqlite": r"USE TEMP B-TREE", "postgresql": r"\bSort\b"}


@pytest.fixture
def library(notebook, by):
    """Some of everything that the admin shows."""
    note = create_note(notebook, by, title="Plan", body="milk", tags=["home"])
    edit(note, by, body="milk and bread")
    trash(create_note(notebook, by, title="Gone"), by)
    create_note(Notebook.objects.create(name="other"), by, title="Elsewhere")
    make_key(notebook)
    make_staff("eve", "view_note")
    Group.objects.bulk_create([Group(name="one"), Group(name="two")])
    return note


@contextmanager
def statements_of_pages():
    """Collect the statements that run, as pairs of SQL and parameters."""
    found = []

    def collect(execute, sql, params, many, context):
        found.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(collect):
        yield found


def plan(sql, params):
    """Return how the database would carry it out if its tables were large."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
            return "\n".join(row[3] for row in cursor.fetchall())
        # Small tables are read and sorted whole. Without these ways, such a step in a plan means: no index serves it.
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off")
        cursor.execute(f"EXPLAIN {sql}", params)
        return "\n".join(line for (line,) in cursor.fetchall())


ADDRESSES = [
    "/admin/",
    LIST,
    f"{LIST}?p=1",
    f"{LIST}?notebook=other",
    f"{LIST}?trash=yes",
    f"{LIST}?trash=yes&{MOMENT}&p=1",
    f"{LIST}?tag=home",
    f"{LIST}?q=milk",
    f"{LIST}?q=mil&tag=home&p=1",
    f"{LIST}?{SINCE}",
    f"{LIST}?{SINCE}&p=1",
    f"{LIST}?{SINCE}&q=milk",
    f"{LIST}?o=1.-2",
    f"{LIST}?all=",
    REVISIONS,
    f"{REVISIONS}?p=2",
    f"{REVISIONS}?notebook=other",
    f"{REVISIONS}?action__exact=trash",
    f"{REVISIONS}?by=test",
    f"{REVISIONS}?q=a-request",
    f"{REVISIONS}?{WRITTEN}",
    f"{REVISIONS}?{WRITTEN}&p=2",
    NOTEBOOKS,
    f"{NOTEBOOKS}?p=default",
    f"{NOTEBOOKS}?o=3",
    KEYS,
    f"{KEYS}?p=01a20f88-1329-768a-860f-0a274fcd5e23",
    PEOPLE,
    f"{PEOPLE}?p=eve",
    GROUPS,
    f"{GROUPS}?p=one",
    f"{CHOICES}&term=mil",
    ADD,
    f"{KEYS}add/",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_page_counts_or_reads_all_or_sorts(browser, library, address):
    with statements_of_pages() as statements:
        assert browser.get(address).status_code == 200

    assert_indexed(statements)


def test_a_day_is_found_by_position_without_walking_past_newer_notes(browser, library):
    with statements_of_pages() as statements:
        browser.get(f"{LIST}?{SINCE}")

    sql, params = statements[-1]
    assert '"notes_note"."position" >=' in sql
    assert '"notes_note"."position" <' in sql
    assert re.search(r"position\D*>", plan(sql, params))


@pytest.mark.once
@pytest.mark.parametrize("query", ["q=milk", "q=milk&p=9", "tag=home&p=9", f"{SINCE}&q=milk", f"{SINCE}&q=milk&p=9"])
def test_the_hits_of_a_search_are_looked_up_one_by_one(browser, notebook, by, query):
    for _ in range(60):
        create_note(notebook, by, title="milk", tags=["home"])
    last = notebook.notes.latest("position")

    with statements_of_pages() as statements:
        browser.get(f"{LIST}?{query.replace('p=9', f'p={last.position}')}")

    assert "(notebook_id=? AND position=?)" in plan(*statements[-1])


def test_no_page_of_a_note_counts_or_reads_all_or_sorts(browser, library):
    revision = library.revisions.latest("number")
    addresses = [page(library), page(library, "history"), page(library, "delete"), f"{REVISIONS}{revision.pk}/change/"]

    with statements_of_pages() as statements:
        for address in [*addresses, f"{page(library, 'history')}?before=2"]:
            assert browser.get(address).status_code == 200
        browser.post(LIST, {"action": "delete_selected", "_selected_action": library.pk, "post": "yes"})

    assert_indexed(statements)


def test_notes_to_choose_are_not_counted_either(browser, library, django_assert_num_queries):
    # Session, user, the first notes by position.
    with django_assert_num_queries(3), statements_of_pages() as statements:
        found = browser.get(CHOICES).json()

    assert [note["text"] for note in found["results"]] == ["Elsewhere", "Gone", "Plan"]
    *_, (sql, params) = statements
    assert "LIMIT 50" in sql
    assert not re.search(SORTS[connection.vendor], plan(sql, params))


def assert_indexed(statements):
    assert statements
    for sql, params in statements:
        assert "COUNT(" not in sql.upper()
        # The search has tests of its own.
        if sql.startswith("SELECT") and "notes_search" not in sql:
            steps = plan(sql, params)
            assert not re.search(READS_ALL[connection.vendor], steps), f"{sql}\n{steps}"
            # Notebooks, keys and tags are few: what is to be shown of them may be sorted.
            is_of_few = re.search(r' FROM "notes_(notebook|apikey|tag)"', sql)
            assert is_of_few or not re.search(SORTS[connection.vendor], steps), f"{sql}\n{steps}"


# Page by page


def walk(browser, address):
    """Follow the links to the next page from this address on, and return the rows of each page."""
    found = []
    path = address.partition("?")[0]
    while address:
        assert len(found) < 10, "the pages go round in circles"
        response = browser.get(address)
        rows = response.context["cl"]
        found.append([str(row) for row in rows.result_list])
        assert rows.next_page is None or f'href="{rows.next_page}"'.replace("&", "&amp;") in response.content.decode()
        address = rows.next_page and path + rows.next_page
    return found


@pytest.fixture
def short_pages(monkeypatch):
    monkeypatch.setattr(NoteAdmin, "list_per_page", 2)


@pytest.mark.parametrize("query", ["", "q=milk", "tag=home", "q=milk&tag=home", SINCE, f"{SINCE}&q=milk"])
def test_the_pages_show_each_note_once_the_newest_first(browser, notebook, by, short_pages, query):
    now = timezone.now()
    for number in range(5):
        # Three of one moment, which only their positions tell apart.
        created_at = now - timedelta(minutes=max(number - 2, 0))
        create_note(notebook, by, title=f"Milk {number}", tags=["home"], created_at=created_at)
    trash(create_note(notebook, by, title="Milk, gone", tags=["home"]), by)
    titles = list(Note.objects.live().order_by("-position").values_list("title", flat=True))

    assert walk(browser, f"{LIST}?{query}") == [titles[:2], titles[2:4], titles[4:]]


def test_a_search_ends_with_the_day(browser, notebook, by):
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    create_note(notebook, by, title="Milk before", created_at=midnight - timedelta(microseconds=1))
    create_note(notebook, by, title="Milk after", created_at=midnight)

    days = [urlencode({f"created_at__{lookup}": str(midnight)}) for lookup in ("lt", "gte")]

    assert [shown(browser, f"{LIST}?q=milk&{day}") for day in days] == [["Milk before"], ["Milk after"]]
    assert [shown(browser, f"{LIST}?{day}") for day in days] == [["Milk before"], ["Milk after"]]


def shown(browser, address):
    return [str(row) for row in browser.get(address).context["cl"].result_list]


def test_the_pages_of_the_trash_show_each_note_once(browser, notebook, by, short_pages):
    for number in range(5):
        trash(create_note(notebook, by, title=f"Note {number}"), by)
    Note.objects.filter(title__in=["Note 1", "Note 2", "Note 3"]).update(deleted_at=timezone.now())

    pages = walk(browser, f"{LIST}?trash=yes")

    assert pages == [["Note 3", "Note 2"], ["Note 1", "Note 4"], ["Note 0"]]


def test_a_full_last_page_leads_nowhere(browser, notebook, by, short_pages):
    for number in range(2):
        create_note(notebook, by, title=f"Note {number}")

    assert walk(browser, LIST) == [["Note 1", "Note 0"]]


def test_every_page_leads_back_to_the_first_and_keeps_the_filters(browser, notebook, by, short_pages):
    for number in range(3):
        create_note(notebook, by, title=f"Note {number}", tags=["home"])
    first = browser.get(f"{LIST}?tag=home").context["cl"]

    second = browser.get(LIST + first.next_page).context["cl"]

    assert first.first_page is None
    assert second.first_page == "?tag=home"


def test_the_pages_of_the_log_look_through_so_many_writes_each(browser, note, by, monkeypatch):
    monkeypatch.setattr(log, "WRITES_A_PAGE", 2)
    for number in range(4):
        edit(note, by, body=str(number))

    assert [len(rows) for rows in walk(browser, REVISIONS)] == [2, 2, 1]
    assert [len(rows) for rows in walk(browser, f"{REVISIONS}?action__exact=create")] == [0, 0, 1]


def test_the_pages_of_people_are_in_the_order_of_their_names(browser, user, monkeypatch):
    monkeypatch.setattr("notes.admin.people.PersonAdmin.list_per_page", 2)
    for name in ["eve", "bob", "dan", "cy"]:
        make_staff(name)

    assert walk(browser, PEOPLE) == [["ada", "bob"], ["cy", "dan"], ["eve"]]


# What was selected


def test_an_action_is_for_the_selected_notes_alone(browser, notebook, by):
    chosen, other = create_note(notebook, by, title="Chosen"), create_note(notebook, by, title="Other")
    sent = {"action": "delete_selected", "post": "yes", "select_across": "1", "_selected_action": chosen.pk}

    browser.post(LIST, sent)

    assert [note.title for note in Note.objects.live()] == [other.title]


def test_an_action_reaches_a_note_that_a_newer_one_has_moved_to_the_next_page(browser, notebook, by, short_pages):
    chosen = create_note(notebook, by, title="Milk")
    for _ in range(5):
        create_note(notebook, by, title="Milk too")

    browser.post(f"{LIST}?q=milk", {"action": "delete_selected", "post": "yes", "_selected_action": chosen.pk})

    chosen.refresh_from_db()
    assert chosen.deleted_at
