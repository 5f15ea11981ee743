"""The browsable API: a person in a browser reads, logs in, creates and edits, by the HTML form and by the raw form."""

import json
import re
from html import unescape
from typing import NamedTuple

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.urls import reverse
from django.utils.html import escape
from rest_framework.test import APIClient

from notes.door import Door
from notes.models import Note, Revision
from tests.people import make_staff
from tests.writing import create_note, edit, restore, trash

pytestmark = pytest.mark.once

NOTES = "/api/v1/notes"
HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PASSWORD = "correct horse"
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def ada(db):
    """A member of staff who may do everything with notes."""
    return make_staff("ada", password=PASSWORD)


@pytest.fixture
def visitor(notebook):
    """A browser in which nobody has logged in."""
    return Browser()


@pytest.fixture
def browser(notebook, ada):
    """A browser in which a member of staff has logged in."""
    browser = Browser()
    browser.client.force_login(ada)
    return browser


class Browser:
    """Does what a browser does with the pages of the browsable API: asks for HTML, fills in forms and sends them."""

    def __init__(self):
        self.client = APIClient(enforce_csrf_checks=True)

    def open(self, address):
        return self.client.get(address, headers=HTML)

    def form(self, address, button):
        """Return the form with this button on the page at this address."""
        return form_in(self.open(address), button)

    def submit(self, form, **typed):
        """Fill in a form, and send it as the script of the page does: by its method, the token in a header too."""
        fields = {**form.fields, **typed}
        headers = {**HTML, "X-CSRFToken": fields["csrfmiddlewaretoken"]}
        return self.client.generic(
            form.method, form.address, encode_multipart(BOUNDARY, fields), MULTIPART_CONTENT, headers=headers
        )

    def submit_form(self, address, fields):
        """Fill in the form on this page that makes a note."""
        return self.submit(self.form(address, "Create the note"), **fields)

    def submit_put_form(self, address, fields):
        """Fill in the form on this page that edits the note."""
        return self.submit(self.form(address, "Save"), **fields)

    def csrf_token(self, address):
        return re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.open(address).text)[1]

    def submit_raw(self, method, address, content):
        """Send JSON, as somebody's own script on a page would."""
        headers = {**HTML, "X-CSRFToken": self.csrf_token(address)}
        return self.client.generic(method, address, content, content_type="application/json", headers=headers)


class Form(NamedTuple):
    text: str
    method: str
    address: str
    fields: dict


def form_in(response, button):
    """Return the form with this button in a page, as a browser would send it untouched."""
    forms = re.findall(r"<form\b.*?</form>", response.text, re.S)
    text = next(text for text in forms if f">{button}</button>" in text)
    fields = dict(re.findall(r'<input (?:type="\w+" )?name="(\w+)"[^>]*? value="([^"]*)"', text))
    fields |= re.findall(r'<textarea name="(\w+)"[^>]*>\n(.*?)</textarea>', text, re.S)
    fields = {name: unescape(value).replace("\n", "\r\n") for name, value in fields.items()}
    return Form(text, re.search(r'data-method="(\w+)"', text)[1], re.search(r'action="([^"]*)"', text)[1], fields)


def test_a_visitor_reads_the_list_and_a_note_as_html(visitor, note):
    for address in (NOTES, f"{NOTES}/{note.uuid}"):
        response = visitor.open(address)

        assert response.status_code == 200
        assert response["Content-Type"].startswith("text/html")
        assert "Plan" in response.text


def test_a_visitor_is_shown_the_way_to_the_login_and_no_form(visitor, note):
    page = visitor.open(NOTES).text

    assert f"{reverse('rest_framework:login')}?next={NOTES}" in page
    assert 'name="title"' not in page


def test_logging_in_leads_back_to_the_page_one_came_from(visitor, ada):
    response = log_in(visitor, PASSWORD, NOTES)

    assert (response.status_code, response["Location"]) == (302, NOTES)
    assert "ada" in visitor.open(NOTES).text
    assert visitor.submit_form(NOTES, {"title": "x", "body": "", "tags": ""}).status_code == 303


def test_a_wrong_password_shows_the_login_form_again(visitor, ada):
    response = log_in(visitor, "wrong", NOTES)

    assert response.status_code == 200
    assert "correct username and password" in response.text


def test_the_login_leads_to_no_other_host(visitor, ada):
    response = log_in(visitor, PASSWORD, "https://example.org/")

    assert response.status_code == 302
    assert response["Location"].startswith("/")
    assert visitor.open(response["Location"]).status_code == 200


def log_in(visitor, password, next_page):
    """Fill in the login form as the page shows it, and return the answer."""
    login = f"{reverse('rest_framework:login')}?next={next_page}"
    [token] = set(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', visitor.open(login).text))
    return visitor.client.post(
        login,
        f"username=ada&password={password.replace(' ', '+')}&csrfmiddlewaretoken={token}&next={next_page}",
        content_type="application/x-www-form-urlencoded",
    )


def test_the_html_form_creates_a_note(browser):
    response = browser.submit_form(NOTES, {"title": "Plan", "body": "Rest", "tags": "home, work"})

    assert response.status_code == 303
    note = Note.objects.get()
    assert (note.title, note.body, note.tags) == ("Plan", "Rest", ["home", "work"])


def test_the_html_form_sends_an_empty_id_where_the_person_chose_none(browser):
    response = browser.submit_form(NOTES, {"id": "", "title": "Plan", "body": "", "tags": ""})

    assert response.status_code == 303
    assert Note.objects.get().tags == []


def test_the_html_form_takes_an_id(browser):
    response = browser.submit_form(
        NOTES, {"id": "0190f1c2-7a3b-7c4d-8e5f-001122334455", "title": "Plan", "body": "", "tags": ""}
    )

    assert response.status_code == 303
    assert str(Note.objects.get().uuid) == "0190f1c2-7a3b-7c4d-8e5f-001122334455"


def test_the_html_form_takes_metadata_as_json(browser):
    response = browser.submit_form(NOTES, {"title": "Plan", "body": "", "tags": "", "metadata": '{"größe":\r\n1}'})

    note = Note.objects.get()
    assert (response.status_code, note.metadata) == (303, {"größe": 1})
    edit = browser.form(f"{NOTES}/{note.uuid}", "Save")
    assert json.loads(edit.fields["metadata"]) == {"größe": 1}
    assert browser.submit(edit).status_code == 303
    note.refresh_from_db()
    assert note.revision == 1


@pytest.mark.parametrize("typed", ["{'a': 1}", "5", '{"a": {}}', '{"a": null}', "[" * 10_000, SCRIPT])
def test_the_html_form_shows_again_what_is_no_metadata(browser, typed):
    response = browser.submit_form(NOTES, {"title": "x", "body": "Hours of work", "tags": "", "metadata": typed})

    assert response.status_code == 400
    assert re.search(
        r'<textarea name="metadata".*<strong class="error">', form_in(response, "Create the note").text, re.S
    )
    assert "<script>alert" not in response.text
    assert not Note.objects.exists()


def test_the_html_form_takes_dates_or_none(browser):
    left_out = {"id": "", "created_at": "", "updated_at": "", "title": "Old letter", "body": "", "tags": ""}
    assert browser.submit_form(NOTES, left_out).status_code == 303

    response = browser.submit_form(NOTES, {**left_out, "created_at": "2019-05-31T12:00:00Z"})

    assert response.status_code == 303
    assert Note.objects.order_by("position").first().created_at.year == 2019
    [date_field] = re.findall(r'<input name="created_at"[^>]*>', browser.form(NOTES, "Create the note").text)
    assert 'type="text"' in date_field


def test_the_html_form_of_a_note_holds_what_it_is_now(browser, notebook, by):
    note = create_note(notebook, by, title='Plan "B"', body="One\nTwo <b>", tags=["home", "at work"])

    edit = browser.form(f"{NOTES}/{note.uuid}", "Save")

    assert edit.fields["title"] == 'Plan "B"'
    assert edit.fields["body"] == "One\r\nTwo <b>"
    assert edit.fields["tags"] == "home, at work"


def test_the_html_form_edits_a_note(browser, note):
    response = browser.submit_put_form(
        f"{NOTES}/{note.uuid}", {"title": "New", "body": "Less", "tags": "home,  Office ,home"}
    )

    assert (response.status_code, response["Location"]) == (303, f"{NOTES}/{note.uuid}")
    note.refresh_from_db()
    assert (note.title, note.body, note.tags) == ("New", "Less", ["home", "Office"])


def test_the_html_form_takes_tags_away(browser, note):
    response = browser.submit_put_form(f"{NOTES}/{note.uuid}", {"title": "Plan", "body": "x", "tags": ""})

    assert response.status_code == 303
    note.refresh_from_db()
    assert note.tags == []


def test_saving_the_html_form_untouched_changes_nothing(browser, note):
    # Browsers send the lines of a text area with CR LF between them, whatever line breaks the text had.
    response = browser.submit_put_form(f"{NOTES}/{note.uuid}", {})

    assert response.status_code == 303
    assert Note.objects.get().body == note.body
    assert Revision.objects.count() == 1


def test_the_first_empty_line_of_a_body_is_in_the_html_form(browser, notebook, by):
    note = create_note(notebook, by, title="Poem", body="\n\nRoses")

    put_form = browser.form(f"{NOTES}/{note.uuid}", "Save").text

    # A browser drops the newline right behind the tag.
    assert re.search(r"<textarea[^>]*>\r?\n\n\nRoses</textarea>", put_form)


def test_json_of_a_page_creates_and_edits(browser):
    created = browser.submit_raw("POST", NOTES, json.dumps({"title": "Plan", "tags": ["home"]}))
    address = f"{NOTES}/{Note.objects.get().uuid}"
    replaced = browser.submit_raw("PUT", address, json.dumps({"title": "New", "body": "One\nTwo"}))
    changed = browser.submit_raw("PATCH", address, json.dumps({"tags": ["work"]}))

    assert [response.status_code for response in (created, replaced, changed)] == [303, 303, 303]
    note = Note.objects.get()
    assert (note.title, note.body, note.tags) == ("New", "One\nTwo", ["work"])


def test_the_delete_button_puts_a_note_into_the_trash_from_where_it_comes_back(browser, note):
    address = f"{NOTES}/{note.uuid}"

    deleted = browser.submit(browser.form(address, "Move to the trash"))
    page = browser.open(deleted["Location"])
    restored = browser.submit(form_in(page, "Restore"))

    assert (deleted.status_code, deleted["Location"]) == (303, address)
    assert page.status_code == 404
    assert "It is in the trash" in page.text
    assert (restored.status_code, restored["Location"]) == (303, address)
    assert browser.open(address).status_code == 200


def test_the_pages_are_linked(browser, notebook, by):
    with Door(notebook, by) as door:
        for number in range(5):
            door.create(title=f"Note {number}")
    first = browser.open(f"{NOTES}?limit=2")

    second = browser.open(page_link(first, "next"))
    back = browser.open(page_link(second, "prev"))

    assert "Note 4" in first.text
    assert "Note 2" in second.text
    assert "Note 4" in back.text


def test_a_list_of_one_page_and_a_note_show_no_page_links(browser, note):
    assert 'class="pager"' not in browser.open(NOTES).text
    assert 'class="pager"' not in browser.open(f"{NOTES}/{note.uuid}").text


def test_markup_in_a_note_stays_text_everywhere(browser, notebook, by):
    hostile = f"{SCRIPT}\"'><img src=x onerror=alert(1)></textarea>&lt;"
    note = create_note(notebook, by, title=hostile, body=hostile, tags=[SCRIPT, '"><i>'])

    for address in (NOTES, f"{NOTES}?limit=1", f"{NOTES}/{note.uuid}"):
        page = browser.open(address).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert '"><i>' not in page
        assert escape(SCRIPT) in page


@pytest.mark.parametrize("name", ["title", "body", "tags", SCRIPT])
def test_markup_in_what_is_refused_stays_text_too(browser, note, name):
    fields = {"title": SCRIPT * 20, "body": SCRIPT, "tags": SCRIPT * 20, name: SCRIPT * 20}

    for response in (
        browser.submit_form(NOTES, fields),
        browser.submit_put_form(f"{NOTES}/{note.uuid}", fields),
        browser.submit_raw("POST", NOTES, json.dumps(fields)),
        browser.open(f"{NOTES}?{SCRIPT}={SCRIPT}"),
        browser.open(f"{NOTES}/{SCRIPT}"),
    ):
        assert 400 <= response.status_code < 500
        assert "<script>alert" not in response.text


HOSTILE_FIELDS = {
    "an empty title": {"title": "", "body": "", "tags": ""},
    "a title too long": {"title": "x" * 201, "body": "", "tags": ""},
    "a tag too long": {"title": "x", "body": "", "tags": "x" * 51},
    "too many tags": {"title": "x", "body": "", "tags": ",".join(str(number) for number in range(51))},
    "a file as title": {"title": SimpleUploadedFile("a.txt", b"a"), "body": "", "tags": ""},
    "a file as body": {"title": "x", "body": SimpleUploadedFile("a.txt", b"a"), "tags": ""},
    "a file as tags": {"title": "x", "body": "", "tags": SimpleUploadedFile("a.txt", b"a")},
    "a file nobody asked for": {"title": "x", "body": "", "tags": "", "attachment": SimpleUploadedFile("a", b"a")},
    "an unknown field": {"title": "x", "body": "", "tags": "", "colour": "red"},
    "NUL in the title": {"title": "a\x00b", "body": "", "tags": ""},
    "NUL in the body": {"title": "x", "body": "a\x00b", "tags": ""},
    "NUL in the tags": {"title": "x", "body": "", "tags": "a\x00b"},
    "a revision of the sender's own": {"title": "x", "body": "", "tags": "", "revision": "99"},
}


@pytest.mark.parametrize("fields", HOSTILE_FIELDS.values(), ids=HOSTILE_FIELDS)
def test_an_invalid_form_is_a_400_shown_as_a_page(browser, note, fields):
    for response in (
        browser.submit_form(NOTES, fields),
        browser.submit_put_form(f"{NOTES}/{note.uuid}", fields),
    ):
        assert response.status_code == 400
        assert response["Content-Type"].startswith("text/html")
    assert Revision.objects.count() == 1


def test_an_invalid_form_comes_back_with_its_input_and_errors_beside_it(browser):
    response = browser.submit_form(NOTES, {"title": "x" * 201, "body": "Hours of work", "tags": "home"})

    assert response.status_code == 400
    again = form_in(response, "Create the note")
    assert (again.fields["body"], again.fields["tags"]) == ("Hours of work", "home")
    assert re.search(
        r'<input name="title"[^>]* aria-invalid="true">\s*<strong class="error">[^<]*at most 200', again.text
    )


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '"x"', "{}", '{"title": 1}', '{"title": "x", "a": 1}', "\x00"]
)
def test_an_invalid_raw_form_is_a_400_shown_as_a_page(browser, note, content):
    for method, address in (("POST", NOTES), ("PUT", f"{NOTES}/{note.uuid}")):
        response = browser.submit_raw(method, address, content)

        assert response.status_code == 400
        assert response["Content-Type"].startswith("text/html")


def test_a_form_without_its_csrf_token_is_a_403_shown_as_a_page(browser, note):
    browser.open(NOTES)

    response = browser.client.post(NOTES, {"title": "x"}, format="multipart", headers=HTML)

    assert response.status_code == 403
    assert response["Content-Type"].startswith("text/html")
    assert Revision.objects.count() == 1


def test_what_is_not_there_is_a_404_shown_as_a_page(browser, visitor):
    for person in (browser, visitor):
        for address in (f"{NOTES}/0190f1c2-7a3b-7c4d-8e5f-001122334455", f"{NOTES}/abc", "/api/v1/nothing-here"):
            response = person.open(address)

            assert response.status_code == 404
            assert response["Content-Type"].startswith("text/html")


def test_a_program_without_a_session_cannot_send_a_form(operator):
    response = operator.post(NOTES, {"title": "x"}, format="multipart")

    assert response.status_code == 415


def page_link(response, relation):
    return unescape(re.search(rf'<a href="([^"]*)" rel="{relation}"', response.text)[1])


def test_the_form_under_a_narrowed_list_creates_too(browser):
    assert browser.submit_form(f"{NOTES}?limit=2&q=plan", {"title": "From the page"}).status_code == 303
    assert Note.objects.get().title == "From the page"


# Two tabs


def test_the_second_of_two_tabs_is_refused_and_sees_both_texts(browser, note):
    address = f"{NOTES}/{note.uuid}"
    first, second = browser.form(address, "Save"), browser.form(address, "Save")

    browser.submit(first, title="Plan A", body="One\nFirst\n")
    refused = browser.submit(second, title="Plan B", body="One\nSecond\n", tags="home")
    again = form_in(refused, "Save")

    assert refused.status_code == 412
    note.refresh_from_db()
    assert (note.title, note.body, note.tags) == ("Plan A", "One\nFirst\n", ["work"])
    assert "One\nFirst\n</pre>" in refused.text
    assert (again.fields["title"], again.fields["body"]) == ("Plan B", "One\r\nSecond\r\n")
    assert "<del>- First</del><ins>+ Second</ins>" in refused.text
    assert browser.submit(again).status_code == 303
    note.refresh_from_db()
    assert (note.title, note.body, note.tags) == ("Plan B", "One\nSecond\n", ["home"])


@pytest.mark.parametrize("button", ["Append", "Prepend", "Replace", "Move to the trash"])
def test_every_form_of_a_note_that_has_changed_is_refused(browser, note, by, button):
    opened = browser.form(f"{NOTES}/{note.uuid}", button)
    edit(note, by, body="Two")

    refused = browser.submit(opened, **{name: "Two" for name in ("text", "find", "replace") if name in opened.fields})

    assert refused.status_code == 412
    assert "has changed since you opened this form" in refused.text
    assert form_in(refused, button).fields["if_match"] != opened.fields["if_match"]
    assert Note.objects.get().body == "Two"


@pytest.mark.parametrize("typed", [{"metadata": "{"}, {"metadata": '{"a": {}}'}, {"tags": "x" * 51}])
def test_what_was_typed_into_a_stale_form_is_shown_even_if_it_is_wrong_too(browser, note, by, typed):
    opened = browser.form(f"{NOTES}/{note.uuid}", "Save")
    edit(note, by, body="Two")

    refused = browser.submit(opened, body="Three", **typed)

    assert refused.status_code == 412
    fields = form_in(refused, "Save").fields
    assert fields["body"] == "Three"
    assert "".join(fields["metadata" if "metadata" in typed else "tags"].split()) in {"{", '{"a":{}}', "x" * 51}


# Small edits, the trash, names


@pytest.mark.parametrize(
    ("button", "typed", "body"),
    [
        ("Append", {"text": "Three"}, "One\nTwo\nThree"),
        ("Prepend", {"text": "Zero\n"}, "Zero\nOne\nTwo\n"),
        ("Replace", {"find": "o", "replace": "0", "count": "1"}, "One\nTw0\n"),
        ("Replace", {"find": "One\n", "replace": "", "count": ""}, "Two\n"),
    ],
)
def test_small_edits_have_forms(browser, note, button, typed, body):
    response = browser.submit(browser.form(f"{NOTES}/{note.uuid}", button), **typed)

    assert (response.status_code, response["Location"]) == (303, f"{NOTES}/{note.uuid}")
    assert Note.objects.get().body == body


@pytest.mark.parametrize("count", ["2", "many"])
def test_a_refused_small_edit_comes_back_with_its_input(browser, note, count):
    opened = browser.form(f"{NOTES}/{note.uuid}", "Replace")

    refused = browser.submit(opened, find="One", replace="1", count=count)

    assert refused.status_code == (409 if count == "2" else 400)
    again = form_in(refused, "Replace")
    assert (again.fields["find"], again.fields["replace"]) == ("One", "1")
    assert 'role="alert"' in refused.text


def test_a_superuser_erases_a_note_in_the_trash(browser, ada, note, by):
    trash(note, by)
    address = f"{NOTES}/{note.uuid}"
    assert "Erase for good" not in browser.open(address).text
    ada.is_superuser = True
    ada.save()

    opened = browser.form(address, "Erase for good")
    restore(note, by)
    trash(note, by)
    refused, erased = browser.submit(opened), browser.submit(browser.form(address, "Erase for good"))

    assert refused.status_code == 412
    assert (erased.status_code, erased["Location"]) == (303, "/api/v1/trash")
    assert not Note.objects.unpurged().exists()


def test_what_was_typed_too_often_comes_back(browser, note, settings):
    opened = browser.form(NOTES, "Create the note")
    settings.NOTES_RATE_WRITES = (0, 3600)

    refused = browser.submit(opened, title="Hours of work")

    assert refused.status_code == 429
    assert form_in(refused, "Create the note").fields["title"] == "Hours of work"


def test_a_page_is_called_what_it_shows_and_knows_the_way_to_it(browser, notebook, by):
    note = create_note(notebook, by, title="<b>Plan</b> {0}")
    address = f"{NOTES}/{note.uuid}"

    page = browser.open(f"{address}/revisions/{note.revision}").text

    trail = re.findall(
        r'<a href="([^"]*)"[^>]*>([^<]*)</a>', page[page.index("Where you are") :].partition("</nav>")[0]
    )
    title = "&lt;b&gt;Plan&lt;/b&gt; {0}"
    assert trail == [
        ("/api/v1", "API"),
        (NOTES, "Notes"),
        (address, title),
        (f"{address}/revisions", f"History of {title}"),
        (f"{address}/revisions/{note.revision}", f"Revision {note.revision}"),
    ]
    assert f'<h1 dir="auto">{title}</h1>' in browser.open(address).text


def test_a_page_that_is_not_there_bears_no_other_pages_name(visitor):
    assert '<h1 dir="auto">Not Found</h1>' in visitor.open("/api/v1/nothing-here").text


def test_a_stranger_learns_nothing_of_the_trash(browser, visitor, note, by):
    trash(note, by)

    for address in (f"{NOTES}/{note.uuid}", f"{NOTES}/{note.uuid}/revisions"):
        assert "Plan" not in visitor.open(address).text
        assert "Plan" in browser.open(address).text


# The list


def test_a_row_leads_to_its_note_and_has_the_matches_marked(visitor, notebook, by):
    note = create_note(
        notebook, by, title="Tmux & <b>screens</b>", body="In <i>tmux</i>: split it", tags=["a&b", "c d"]
    )

    page = visitor.open(f"{NOTES}?q=tmux").text

    assert f'<a href="{NOTES}/{note.uuid}"><mark>Tmux</mark> &amp; &lt;b&gt;screens&lt;/b&gt;</a>' in page
    assert "In &lt;i&gt;<mark>tmux</mark>&lt;/i&gt;: split it" in page
    assert f'href="{NOTES}?tag=a%26b">a&amp;b</a>' in page
    assert re.search(r'<time datetime="[^"]+Z">\d{4}-\d\d-\d\d \d\d:\d\d UTC</time>', page)
    assert visitor.open(f"{NOTES}?tag=a%26b").text.count("<li>") == 1


def test_a_fragment_from_the_middle_is_marked_at_the_right_place(visitor, notebook, by):
    create_note(notebook, by, title="Long", body="word " * 500 + "the needle here " + "word " * 500)

    assert "the <mark>needle</mark> here" in visitor.open(f"{NOTES}?q=needle").text


@pytest.mark.parametrize("query", ["fields=title", "fields=body", "fields=id", "omit=body"])
def test_a_list_of_some_fields_is_a_page_too(visitor, note, query):
    assert visitor.open(f"{NOTES}?{query}").status_code == 200


def test_the_filters_are_filled_in_with_what_was_asked_for(visitor, note):
    page = visitor.open(f"{NOTES}?q=plan&tag=work&tag=home&created_after=2020-01-01T00:00:00Z&ordering=-title").text

    search = re.search(r'<form class="search".*?</form>', page, re.S)[0]
    assert re.findall(r'<input name="(\w+)"[^>]* value="([^"]+)"', search) == [
        ("q", "plan"),
        ("tag", "work"),
        ("tag", "home"),
        ("created_after", "2020-01-01T00:00:00Z"),
    ]
    assert '<option value="-title" selected>' in search


def test_filters_that_are_left_empty_are_not_asked_for(visitor, note):
    query = "q=plan&tag=&without_tag=&created_after=&created_before=&updated_after=&updated_before=&ordering="

    response = visitor.open(f"{NOTES}?{query}")

    assert response.status_code == 200
    assert "<mark>Plan</mark>" in response.text


def test_a_wrong_filter_is_shown_again_with_its_error_beside_it(visitor, note):
    response = visitor.open(f"{NOTES}?q=plan&tag=&created_after=yesterday")

    assert response.status_code == 400
    assert re.search(r'name="created_after"[^>]* value="yesterday"[^>]*>\s*<strong class="error">', response.text)
    assert 'value="plan"' in response.text


def test_a_program_is_still_told_of_an_empty_parameter(visitor, note):
    assert visitor.client.get(f"{NOTES}?created_after=").status_code == 400


def test_the_json_of_each_page_is_one_click_away(visitor, note):
    for address in (f"{NOTES}?q=plan", f"{NOTES}/{note.uuid}"):
        link = re.search(r'<a href="([^"]*)">JSON</a>', visitor.open(address).text)[1]

        assert visitor.open(unescape(link)).json()


def test_pages_have_no_script_or_style_inside(browser, note):
    for address in ("/api/v1", NOTES, f"{NOTES}/{note.uuid}", "/login/"):
        page = browser.open(address).text

        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)", page), address


def test_the_root_is_a_table_of_contents_that_knows_who_asks(browser, visitor):
    page = browser.open("/api/v1/").text

    for address in ("/notes", "/tags", "/trash", "/changes", "/keys", "/me", "/schema", "/docs"):
        assert re.search(rf'href="[^"]*{address}"', page), address
    assert "ada" in page
    assert "Write them all" in page
    assert "Write them all" not in visitor.open("/api/v1/").text


def test_the_history_shows_who_changed_what_and_leads_back(browser, operator, notebook, by):
    note = create_note(notebook, by, title="Plan", body=SCRIPT)
    first = note.revision
    edit(note, by, body="Later")
    history = f"{NOTES}/{note.uuid}/revisions"

    page = browser.open(history).text
    restored = browser.submit(browser.form(f"{history}/{first}", "Restore this revision"))

    assert f"<ins>+ {escape(SCRIPT)}</ins>" in page
    assert f"<del>- {escape(SCRIPT)}</del>" in page
    assert "edit by a test" in page
    assert restored["Location"] == f"{NOTES}/{note.uuid}"
    assert operator.get(f"{NOTES}/{note.uuid}").json()["body"] == SCRIPT


def test_an_old_page_of_a_revision_does_not_restore_it(browser, operator, notebook, by):
    note = create_note(notebook, by, title="Plan", body="One")
    first = note.revision
    edit(note, by, body="Two")
    form = browser.form(f"{NOTES}/{note.uuid}/revisions/{first}", "Restore this revision")
    edit(note, by, body="Three")

    refused = browser.submit(form)

    assert refused.status_code == 412
    assert "Three" in refused.text
    assert form_in(refused, "Restore this revision")
    assert "what you typed" not in refused.text
    assert operator.get(f"{NOTES}/{note.uuid}").json()["body"] == "Three"


def test_no_revision_of_a_note_in_the_trash_is_offered(browser, notebook, by):
    note = create_note(notebook, by, title="Plan", body="One")
    first = note.revision
    edit(note, by, body="Two")
    history = f"{NOTES}/{note.uuid}/revisions"
    offered = browser.open(history).text
    trash(note, by)

    pages = browser.open(history).text, browser.open(f"{history}/{first}").text

    assert offered.count("Restore this revision") == 1
    assert all("Restore this revision" not in page for page in pages)


def test_two_revisions_are_compared(browser, operator, notebook, by):
    note = create_note(notebook, by, title="Plan", body="-- One\n")
    first = note.revision
    edit(note, by, body="Two\n")
    page = browser.open(f"{NOTES}/{note.uuid}/revisions/{note.revision}?diff={first}").text

    assert "<del>- -- One</del>" in page
    assert "<ins>+ Two</ins>" in page


def test_the_trash_gives_back(browser, operator, notebook, by):
    note = create_note(notebook, by, title="Plan", tags=["home"])
    trash(note, by)

    assert browser.submit(browser.form("/api/v1/trash", "Restore"))["Location"] == f"{NOTES}/{note.uuid}"
    assert "The trash is empty" in browser.open("/api/v1/trash").text


def test_the_changes_lead_to_their_notes_and_on(browser, operator, notebook, by):
    kept, deleted = create_note(notebook, by, title="Plan"), create_note(notebook, by, title="Gone")
    trash(deleted, by)

    page = browser.open("/api/v1/changes?limit=1").text
    after = browser.open(unescape(re.search(r'href="([^"]*\?since=[^"]*)"', page)[1])).text

    assert f'href="{NOTES}/{kept.uuid}"' in page
    assert "Go on" in page
    assert "A deleted note" in after
    assert "Look again" in after


def test_a_tag_lists_its_notes_and_is_renamed(browser, operator, notebook, by):
    create_note(notebook, by, title="Plan", tags=["a&b?"])
    form = browser.form("/api/v1/tags", "Rename the tag")

    leads_to = re.search(rf'href="({NOTES}\?tag=[^"]*)"', browser.open("/api/v1/tags").text)[1]
    listed = browser.open(unescape(leads_to)).text
    refused = browser.submit(form, tag="nowhere", name="a,b")
    renamed = browser.submit(form, tag="a&b?", name="garden")

    assert "Plan" in listed
    assert 'value="nowhere"' in refused.text
    assert renamed["Location"] == "/api/v1/tags"
    assert [tag["name"] for tag in operator.get("/api/v1/tags").json()["results"]] == ["garden"]


def test_a_key_is_shown_once_and_revoked(browser, ada):
    ada.is_superuser = True
    ada.save()

    made = browser.submit(browser.form("/api/v1/keys", "Make the key"), name=SCRIPT, level="read", expires_at="")
    text = re.search(r'class="secret">([^<]+)<', made.text)[1]
    program = APIClient(headers={"X-API-Key": text})
    answers_before = program.get(NOTES).status_code
    revoked = browser.submit(browser.form("/api/v1/keys", "Revoke the key"))

    assert text not in browser.open("/api/v1/keys").text
    assert escape(SCRIPT) in made.text
    assert "no-store" in made["Cache-Control"]
    assert answers_before == 200
    assert revoked["Location"] == "/api/v1/keys"
    assert program.get(NOTES).status_code == 401


def test_a_level_is_offered_nothing_beyond_it(browser, ada):
    assert 'href="/api/v1/keys"' not in browser.open(NOTES).text

    ada.is_superuser = True
    ada.save()

    assert 'href="/api/v1/keys"' in browser.open(NOTES).text


def test_a_batch_is_answered_readably(browser):
    operations = [{"op": "create", "title": SCRIPT}, {"op": "create", "title": "Second"}]

    done = browser.submit_raw("POST", "/api/v1/batch", json.dumps({"operations": operations}))
    refused = browser.submit_raw("POST", "/api/v1/batch", json.dumps({"operations": [{"op": "create"}]}))

    assert escape(SCRIPT) in done.text
    assert "Created, revision 2." in done.text
    assert refused.status_code == 400
    assert "This field is required" in refused.text


def test_who_i_am_is_said_in_words(browser):
    assert "<dt>Level</dt><dd>write</dd>" in browser.open("/api/v1/me").text
