"""The browsable API: a person in a browser reads, logs in, creates and edits, by the HTML form and by the raw form."""

import json
import re
from html import unescape

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils.html import escape
from rest_framework.test import APIClient

from notes.door import Door
from notes.models import Note, Revision
from tests.people import make_staff
from tests.writing import create_note

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
    """Does what a browser does with the pages of the browsable API: asks for HTML, and sends the CSRF token."""

    def __init__(self):
        self.client = APIClient(enforce_csrf_checks=True)

    def open(self, address):
        return self.client.get(address, headers=HTML)

    def csrf_token(self, address):
        """Return the token that the scripts of this page would send."""
        [token] = set(re.findall(r'csrfToken&quot;: &quot;(\w+)|"csrfToken": "(\w+)"', self.open(address).text))
        return "".join(token)

    def submit_form(self, address, fields):
        """Submit the HTML form that creates: an ordinary POST, the token in a hidden field."""
        [token] = set(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', form(self.open(address), "POST")))
        fields = {"csrfmiddlewaretoken": token, **fields}
        return self.client.post(address, fields, format="multipart", headers=HTML)

    def submit_put_form(self, address, fields):
        """Submit the HTML form that edits: a script sends it as PUT, still as multipart, the token in a header."""
        headers = {**HTML, "X-CSRFToken": self.csrf_token(address)}
        return self.client.put(address, fields, format="multipart", headers=headers)

    def submit_raw(self, method, address, content):
        """Submit the raw form: a script sends what stands in the text area."""
        headers = {**HTML, "X-CSRFToken": self.csrf_token(address)}
        return self.client.generic(method, address, content, content_type="application/json", headers=headers)


def form(response, method):
    """Return the HTML form for this method in a page, as text."""
    attribute = f'method="{method}"' if method == "POST" else f'data-method="{method}"'
    forms = re.findall(r"<form\b.*?</form>", response.text, re.S)
    return next(text for text in forms if attribute in text and 'name="title"' in text)


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
    assert visitor.submit_form(NOTES, {"title": "x", "body": "", "tags": ""}).status_code == 201


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

    assert response.status_code == 201
    note = Note.objects.get()
    assert (note.title, note.body, note.tags) == ("Plan", "Rest", ["home", "work"])


def test_the_html_form_sends_an_empty_id_where_the_person_chose_none(browser):
    response = browser.submit_form(NOTES, {"id": "", "title": "Plan", "body": "", "tags": ""})

    assert response.status_code == 201
    assert Note.objects.get().tags == []


def test_the_html_form_takes_an_id(browser):
    response = browser.submit_form(
        NOTES, {"id": "0190f1c2-7a3b-7c4d-8e5f-001122334455", "title": "Plan", "body": "", "tags": ""}
    )

    assert response.status_code == 201
    assert str(Note.objects.get().uuid) == "0190f1c2-7a3b-7c4d-8e5f-001122334455"


def test_the_html_form_takes_metadata_as_json(browser):
    response = browser.submit_form(NOTES, {"title": "Plan", "body": "", "tags": "", "metadata": '{"größe":\r\n1}'})

    note = Note.objects.get()
    assert (response.status_code, note.metadata) == (201, {"größe": 1})
    put_form = form(browser.open(f"{NOTES}/{note.uuid}"), "PUT")
    [shown] = re.findall(r'<textarea name="metadata"[^>]*>(.*?)</textarea>', put_form, re.S)
    assert json.loads(unescape(shown)) == {"größe": 1}
    assert "größe" in shown
    fields = {"title": "Plan", "body": "", "tags": "", "metadata": unescape(shown).replace("\n", "\r\n")}
    assert browser.submit_put_form(f"{NOTES}/{note.uuid}", fields).status_code == 200
    note.refresh_from_db()
    assert note.revision == 1


@pytest.mark.parametrize("typed", ["{'a': 1}", "5", '{"a": {}}', '{"a": null}', "[" * 10_000, SCRIPT])
def test_the_html_form_shows_again_what_is_no_metadata(browser, typed):
    response = browser.submit_form(NOTES, {"title": "x", "body": "Hours of work", "tags": "", "metadata": typed})

    assert response.status_code == 400
    assert "etadata" in form(response, "POST").partition("help-block")[2]
    assert "<script>alert" not in response.text
    assert not Note.objects.exists()


def test_the_html_form_takes_dates_or_none(browser):
    left_out = {"id": "", "created_at": "", "updated_at": "", "title": "Old letter", "body": "", "tags": ""}
    assert browser.submit_form(NOTES, left_out).status_code == 201

    response = browser.submit_form(NOTES, {**left_out, "created_at": "2019-05-31T12:00:00Z"})

    assert response.status_code == 201
    assert Note.objects.order_by("position").first().created_at.year == 2019
    [date_field] = re.findall(r'<input name="created_at"[^>]*>', form(browser.open(NOTES), "POST"))
    assert 'type="text"' in date_field


def test_the_html_form_of_a_note_holds_what_it_is_now(browser, notebook, by):
    note = create_note(notebook, by, title='Plan "B"', body="One\nTwo <b>", tags=["home", "at work"])

    put_form = form(browser.open(f"{NOTES}/{note.uuid}"), "PUT")

    assert escape('Plan "B"') in put_form
    assert escape("One\nTwo <b>") in put_form
    assert 'value="home, at work"' in put_form


def test_the_html_form_edits_a_note(browser, note):
    response = browser.submit_put_form(
        f"{NOTES}/{note.uuid}", {"title": "New", "body": "Less", "tags": "home,  Office ,home"}
    )

    assert response.status_code == 200
    note.refresh_from_db()
    assert (note.title, note.body, note.tags) == ("New", "Less", ["home", "Office"])


def test_the_html_form_takes_tags_away(browser, note):
    response = browser.submit_put_form(f"{NOTES}/{note.uuid}", {"title": "Plan", "body": "x", "tags": ""})

    assert response.status_code == 200
    note.refresh_from_db()
    assert note.tags == []


def test_saving_the_html_form_untouched_changes_nothing(browser, note):
    # Browsers send the lines of a text area with CR LF between them, whatever line breaks the text had.
    fields = {"title": note.title, "body": note.body.replace("\n", "\r\n"), "tags": ", ".join(note.tags)}

    response = browser.submit_put_form(f"{NOTES}/{note.uuid}", fields)

    assert response.status_code == 200
    assert Note.objects.get().body == note.body
    assert Revision.objects.count() == 1


def test_the_first_empty_line_of_a_body_is_in_the_html_form(browser, notebook, by):
    note = create_note(notebook, by, title="Poem", body="\n\nRoses")

    put_form = form(browser.open(f"{NOTES}/{note.uuid}"), "PUT")

    # A browser drops the newline right behind the tag.
    assert re.search(r"<textarea[^>]*>\r?\n\n\nRoses</textarea>", put_form)


def test_the_raw_form_creates_and_edits(browser):
    created = browser.submit_raw("POST", NOTES, json.dumps({"title": "Plan", "tags": ["home"]}))
    address = f"{NOTES}/{Note.objects.get().uuid}"
    replaced = browser.submit_raw("PUT", address, json.dumps({"title": "New", "body": "One\nTwo"}))
    changed = browser.submit_raw("PATCH", address, json.dumps({"tags": ["work"]}))

    assert [response.status_code for response in (created, replaced, changed)] == [201, 200, 200]
    note = Note.objects.get()
    assert (note.title, note.body, note.tags) == ("New", "One\nTwo", ["work"])


def test_the_raw_form_of_a_note_holds_json_that_can_be_sent_as_it_is(browser, note):
    page = browser.open(f"{NOTES}/{note.uuid}").text
    [content] = set(re.findall(r'<textarea name="_content".*?>(.*?)</textarea>', page, re.S))

    response = browser.submit_raw("PUT", f"{NOTES}/{note.uuid}", unescape(content))

    assert response.status_code == 200
    assert Revision.objects.count() == 1


def test_the_delete_button_puts_a_note_into_the_trash(browser, note):
    address = f"{NOTES}/{note.uuid}"
    headers = {**HTML, "X-CSRFToken": browser.csrf_token(address)}

    response = browser.client.delete(address, headers=headers)

    assert response.status_code == 200  # A 204 could not hold the page that says so.
    assert browser.open(address).status_code == 404


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
    "no title": {"body": "x", "tags": ""},
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

    post_form = form(response, "POST")
    assert response.status_code == 400
    assert "Hours of work" in post_form
    assert "at most 200 characters" in post_form


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


def test_the_form_under_a_narrowed_list_creates_too(staff, notebook):
    response = staff.post(
        "/api/v1/notes?limit=2&q=plan", {"title": "From the page"}, format="multipart", headers={"Accept": "text/html"}
    )

    assert response.status_code == 201
