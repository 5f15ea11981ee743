"""Notes in the admin are written through the one door: nobody is overwritten, and nothing is deleted."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import call_command
from django.db import OperationalError, connection, connections
from django.forms.models import BaseModelForm
from django.test import Client

from notes import databases
from notes.models import Note, Notebook, Revision
from tests.admin import ADD, LIST, errors_of, numbers, page, save, sent_by
from tests.writing import create_note, create_old_note, edit, trash

# Editing


def test_an_edit_is_one_write_in_the_name_of_the_member_of_staff(browser, user, notebook, note):
    save(browser, note, title="Plan B")

    note.refresh_from_db()
    assert (note.title, note.body, note.tags) == ("Plan B", "One\nTwo\n", ["work"])
    revision = note.revisions.latest("number")
    assert (revision.number, revision.action) == (2, Revision.EDIT)
    assert (revision.writer, revision.writer_name) == (f"staff:{user.pk}", "ada")
    assert revision.title == "Plan B"


def test_saving_an_unchanged_note_does_not_claim_a_change(browser, note):
    opened = browser.get(page(note))

    saved = browser.post(page(note), sent_by(opened), follow=True)
    continued = browser.post(page(note), sent_by(opened, _continue="1"))

    assert b"Nothing was changed, so nothing was written." in saved.content
    assert b"successfully" not in saved.content
    assert saved.redirect_chain[-1][0] == LIST
    assert continued["Location"] == page(note)


def test_an_edit_keeps_the_id_of_its_request(browser, note):
    response = save(browser, note, title="Plan B")

    assert note.revisions.latest("number").request_id == response["X-Request-ID"]


@pytest.mark.parametrize(
    ("title", "body", "tags"),
    [
        ("Plan", "One\nTwo\n", ["work", "café"]),
        ("  Plan ", "\n  indented\n\n", []),
        ("Plan", "One\r\nTwo\r\n", []),
        ("Plan", "mixed\r\nline\nbreaks\r", []),
        ("two\nlines", "", ["a tag\nof two"]),
        ("\u200b", "", []),
        ("Plan", "", ["with, comma"]),
        ("&lt;b&gt; & \"quoted\" 'text'", "</textarea>&amp;", ["<b>", '"']),
    ],
)
def test_opening_and_saving_an_unchanged_note_writes_nothing(browser, notebook, by, title, body, tags):
    note = create_old_note(notebook, by, title=title, body=body, tags=tags)

    response = save(browser, note)

    assert response.status_code == 302
    stored = Note.objects.get()
    assert (stored.title, stored.body, stored.tags, stored.revision) == (title, body, tags, 1)
    assert Notebook.objects.get(pk=notebook.pk).revision == 1
    assert Revision.objects.count() == 1


@pytest.mark.parametrize(
    ("stored", "typed", "kept"),
    [
        ("One\nTwo", "One\nTwo\nThree", "One\nTwo\nThree"),
        ("One\r\nTwo", "One\r\nTwo\r\nThree", "One\r\nTwo\r\nThree"),
        ("", "One\nTwo", "One\nTwo"),
        ("One", "\n  One \n", "\n  One \n"),
    ],
)
def test_an_edited_body_keeps_its_kind_of_line_breaks(browser, notebook, by, stored, typed, kept):
    note = create_note(notebook, by, title="Plan", body=stored)

    save(browser, note, body=typed)

    note.refresh_from_db()
    assert note.body == kept


def test_only_what_the_person_changed_is_written(browser, notebook, by):
    note = create_old_note(notebook, by, title="Plan\nof two lines", body="mixed\r\nline\nbreaks", tags=["with, comma"])

    save(browser, note, tags="one, two")

    note.refresh_from_db()
    assert (note.title, note.body, note.tags) == ("Plan\nof two lines", "mixed\r\nline\nbreaks", ["one", "two"])


def test_a_title_keeps_its_blanks(browser, note):
    save(browser, note, title="  Plan  ")

    note.refresh_from_db()
    assert note.title == "  Plan  "


def test_a_note_whose_title_shows_nothing_can_get_another_body(browser, notebook, by):
    note = create_old_note(notebook, by, title=" ")

    save(browser, note, body="New")

    note.refresh_from_db()
    assert (note.title, note.body) == (" ", "New")


def test_a_note_that_has_changed_meanwhile_is_not_overwritten(browser, note, by):
    opened = browser.get(page(note))
    edit(note, by, body="Theirs", metadata={"by": "them"})

    response = browser.post(page(note), sent_by(opened, body="Mine"))

    assert "has been changed since you opened it" in str(errors_of(response))
    assert response.context["adminform"].form["body"].value() == "Mine"
    text = response.content.decode()
    assert "<pre>Theirs</pre>" in text
    assert "<dt>by</dt><dd>them</dd>" in text
    note.refresh_from_db()
    assert note.body == "Theirs"
    assert numbers(note) == [1, 2]


def test_a_form_from_before_a_restored_backup_is_refused(browser, notebook, note):
    opened = browser.get(page(note))
    call_command("renew_epoch")

    response = browser.post(page(note), sent_by(opened, body="Mine"))

    assert "has been changed since you opened it" in str(errors_of(response))
    assert numbers(note) == [1]


def test_a_refused_form_sent_again_is_refused_again(browser, note, by):
    opened = browser.get(page(note))
    edit(note, by, body="Theirs")
    refused = browser.post(page(note), sent_by(opened, body="Mine"))

    response = browser.post(page(note), sent_by(refused))

    assert errors_of(response)


@pytest.mark.parametrize("opened_at", [None, "", "x", "1", "9" * 30])
def test_an_edit_that_does_not_say_what_it_was_based_on_is_refused(browser, note, opened_at):
    fields = sent_by(browser.get(page(note)), title="Plan B")
    del fields["etag"]
    if opened_at is not None:
        fields["etag"] = opened_at

    assert errors_of(browser.post(page(note), fields))
    assert numbers(note) == [1]


def test_a_note_that_went_to_the_trash_meanwhile_is_not_edited(browser, note, by):
    opened = browser.get(page(note))
    trash(note, by)

    response = browser.post(page(note), sent_by(opened, title="Plan B"))

    assert "trash" in str(errors_of(response))
    assert numbers(note) == [1, 2]


def test_a_note_in_the_trash_is_shown_without_a_form(browser, note, by):
    trash(note, by)

    response = browser.get(page(note))

    assert b"Two" in response.content
    assert b"<textarea" not in response.content
    assert b'name="_save"' not in response.content
    assert page(note, "delete").encode() not in response.content


@pytest.mark.django_db(transaction=True)
def test_one_of_two_people_who_save_at_the_same_time_is_told(browser, note):
    fields = [sent_by(browser.get(page(note)), title=title) for title in ["Mine", "Theirs"]]
    both_ready = Barrier(2)

    def post(fields):
        client = Client()
        client.cookies = browser.cookies
        both_ready.wait()
        try:
            return client.post(page(note), fields).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as people:
        statuses = list(people.map(post, fields))

    assert sorted(statuses) == [200, 302]
    assert numbers(note) == [1, 2]


@pytest.fixture
def rival(by):
    """Somebody else, who edits a note at once or, if it is locked, not at all. Return whether it was edited."""

    def try_to_edit(note):
        try:
            with databases.without_waiting():
                present = Note.objects.select_related("notebook").get(pk=note.pk)
                return edit(present, by, body=f"{present.body}.")
        except OperationalError:
            return False
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as threads:
        yield lambda note: threads.submit(try_to_edit, note).result()


@pytest.mark.django_db(transaction=True)
def test_nobody_writes_between_the_look_at_the_revision_and_the_write(browser, note, rival, monkeypatch):
    look, was_edited = BaseModelForm._post_clean, []

    def look_while_somebody_writes(form):
        look(form)
        was_edited.append(rival(note))

    monkeypatch.setattr(BaseModelForm, "_post_clean", look_while_somebody_writes)

    response = save(browser, note, title="Mine")

    assert response.status_code == 302
    assert was_edited == [False]
    assert numbers(note) == [1, 2]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["delete", "delete_selected", "restore_selected", "revert/1"])
def test_a_write_at_any_moment_makes_no_button_fail(browser, note, by, rival, what):
    edit(note, by, body="Second")
    if what == "restore_selected":
        trash(note, by)
    action = {"action": what, "_selected_action": note.pk, "post": "yes"}
    address = LIST if what.endswith("selected") else f"{LIST}{note.pk}/{what}/"

    def write_after_each_look_at_the_note(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if sql.startswith("SELECT") and 'FROM "notes_note"' in sql:
            rival(note)
        return result

    with connection.execute_wrapper(write_after_each_look_at_the_note):
        response = browser.post(address, action)

    assert response.status_code == 302
    note.refresh_from_db()
    assert note.body.startswith("One" if what == "revert/1" else "Second.")
    assert (note.deleted_at is not None) is what.startswith("delete")


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("title", "", "required"),
        ("title", "x" * 201, "at most 200 characters"),
        ("title", "nu\x00l", "Null characters"),
        ("title", "\u200b", "at least one visible character"),
        ("title", "   ", "at least one visible character"),
        ("body", "x" * 11, "at most 10 characters; this one has 11"),
        ("body", "nu\x00l", "Null characters"),
        ("tags", "x" * 51, "at most 50 characters"),
        ("tags", ",".join(map(str, range(51))), "at most 50 tags; these are 51"),
        ("tags", "nu\x00l", "Null characters"),
    ],
)
def test_text_over_a_limit_is_a_form_error(browser, notebook, by, settings, field, text, message):
    settings.NOTES_MAX_BODY_CHARS = 10
    note = create_note(notebook, by, title="Plan")

    response = save(browser, note, **{field: text})

    assert message in str(errors_of(response)[field])
    assert numbers(note) == [1]


def test_a_line_break_counts_as_one_character(browser, notebook, by, settings):
    settings.NOTES_MAX_BODY_CHARS = 3
    note = create_note(notebook, by, title="Plan")

    save(browser, note, body="a\nb")

    note.refresh_from_db()
    assert note.body == "a\nb"


def test_a_note_over_a_limit_that_was_lowered_can_get_a_new_title(browser, note, settings):
    settings.NOTES_MAX_BODY_CHARS = 1

    save(browser, note, title="Plan B")

    note.refresh_from_db()
    assert (note.title, note.body) == ("Plan B", "One\nTwo\n")


def test_fifty_tags_of_fifty_characters_are_fine(browser, note):
    names = [f"{number:050}" for number in range(50)]

    save(browser, note, tags=", ".join(names))

    note.refresh_from_db()
    assert note.tags == names


# Adding


def test_the_add_page_offers_the_default_notebook(browser, notebook):
    Notebook.objects.create(name="a notebook before it")

    response = browser.get(ADD)

    assert f'<option value="{notebook.pk}" selected>default</option>' in response.content.decode()


def test_a_note_added_here_is_a_write_in_the_notebook_chosen(browser, user):
    other = Notebook.objects.create(name="other")

    response = browser.post(
        ADD, {"notebook": other.pk, "title": " Plan", "body": "One\r\nTwo", "tags": "home, Home, work"}
    )

    assert response.status_code == 302
    note = Note.objects.get()
    assert (note.notebook, note.title, note.body, note.tags) == (other, " Plan", "One\nTwo", ["home", "work"])
    revision = Revision.objects.get()
    assert (revision.number, revision.action, revision.writer) == (1, Revision.CREATE, f"staff:{user.pk}")
    assert Notebook.objects.get(name="other").revision == 1


def test_save_and_continue_leads_to_the_page_of_the_new_note(browser, notebook):
    response = browser.post(ADD, {"notebook": notebook.pk, "title": "Plan", "_continue": "1"})

    assert response["Location"] == page(Note.objects.get())


def test_a_notebook_that_is_not_there_is_a_form_error(browser):
    assert "notebook" in errors_of(browser.post(ADD, {"notebook": 999, "title": "Plan"}))


# Deleting


def test_the_delete_page_says_trash_and_lists_no_victims(browser, note):
    response = browser.get(page(note, "delete"))

    assert b"Move to the trash" in response.content
    assert b"related" not in response.content


def test_delete_moves_the_note_to_the_trash_and_says_so(browser, user, note):
    response = browser.post(page(note, "delete"), {"post": "yes"}, follow=True)

    assert "is in the trash" in response.content.decode()
    assert "deleted successfully" not in response.content.decode()
    note.refresh_from_db()
    assert note.deleted_at
    assert (note.title, note.body) == ("Plan", "One\nTwo\n")
    assert note.revisions.latest("number").action == Revision.TRASH
    assert note.revisions.latest("number").writer == f"staff:{user.pk}"


def test_a_double_click_on_delete_writes_once(browser, note):
    browser.post(page(note, "delete"), {"post": "yes"})

    response = browser.post(page(note, "delete"), {"post": "yes"})

    assert response.status_code == 302
    assert numbers(note) == [1, 2]


def test_the_selected_notes_of_any_notebook_go_to_the_trash_after_a_question(browser, notebook, note, by):
    other = create_note(Notebook.objects.create(name="other"), by, title="Elsewhere")
    gone = create_note(notebook, by, title="Gone before")
    trash(gone, by)
    chosen = {"action": "delete_selected", "_selected_action": [note.pk, other.pk, gone.pk]}

    question = browser.post(LIST, chosen)
    answer = browser.post(LIST, {**chosen, "post": "yes"}, follow=True)

    assert b"Move to the trash" in question.content
    assert b"Moved 2 notes to the trash." in answer.content
    assert [numbers(each) for each in [note, other, gone]] == [[1, 4], [1, 2], [2, 3]]
    assert Note.objects.live().count() == 0
    assert Note.objects.count() == 3


def test_selected_notes_come_back_from_the_trash(browser, user, note, by):
    kept = create_note(Notebook.objects.create(name="other"), by, title="Never gone")
    trash(note, by)
    chosen = {"action": "restore_selected", "_selected_action": [note.pk, kept.pk]}

    response = browser.post(LIST, chosen, follow=True)

    assert b"Restored 1 note." in response.content
    assert Note.objects.live().count() == 2
    assert note.revisions.latest("number").writer == f"staff:{user.pk}"
    assert numbers(kept) == [1]


def test_django_keeps_no_second_log_of_titles(browser, notebook, note):
    browser.post(ADD, {"notebook": notebook.pk, "title": "Another"})
    save(browser, note, title="Plan B")
    browser.post(page(note, "delete"), {"post": "yes"})

    assert not LogEntry.objects.exists()
