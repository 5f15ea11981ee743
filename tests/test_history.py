"""The past of a note: what changed, when, by whom; and back to it."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from notes import diffs
from notes.door import Door
from notes.management.commands import prune_revisions
from notes.models import Notebook, Revision
from notes.verification import problems
from tests.writing import create_note, create_notes

NOTES = "/api/v1/notes"


@pytest.fixture
def history(operator, note):
    """The address of the history of a note that was written three times."""
    url = f"{NOTES}/{note.uuid}"
    operator.patch(url, {"body": "One\n2\n"}, headers={"X-Request-ID": "the-second"})
    operator.patch(url, {"title": "Better plan", "tags": []})
    return f"{url}/revisions"


def test_the_history_says_what_changed_when_by_whom_in_which_request(operator, history):
    rows = operator.get(history).json()["results"]

    assert [(row["number"], row["action"], row["changed"]) for row in rows] == [
        (3, "edit", ["title", "tags"]),
        (2, "edit", ["body"]),
        (1, "create", ["title", "body", "tags", "metadata"]),
    ]
    assert (rows[1]["writer"], rows[1]["writer_name"], rows[1]["request_id"]) == ("operator", "API_KEY", "the-second")
    assert rows[1]["written_at"].endswith("Z")
    assert "body" not in rows[0]


def test_one_revision_has_the_content_after_it(operator, history):
    revision = operator.get(f"{history}/2").json()

    assert (revision["title"], revision["body"], revision["tags"]) == ("Plan", "One\n2\n", ["work"])
    assert "diff" not in revision


def test_the_diff_between_two_revisions_is_text(operator, history):
    diff = operator.get(f"{history}/3?diff=1").json()["diff"]

    assert diff.splitlines() == [
        "--- revision 1",
        "+++ revision 3",
        "@@ -1,5 +1,5 @@",
        "-# Plan",
        "-work",
        "+# Better plan",
        "+",
        " ",
        " One",
        "-Two",
        "+2",
    ]


@pytest.mark.parametrize("other", ["x", "-1", "99", "9223372036854775808", "", "١"])
def test_a_diff_to_what_is_no_revision_is_a_400_that_names_the_parameter(operator, history, other):
    response = operator.get(f"{history}/3", {"diff": other})

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "diff"


@pytest.mark.parametrize("number", ["0", "99", "x", "-1", "9223372036854775808", "1" * 40])
def test_an_unknown_revision_is_a_404(operator, history, number):
    assert operator.get(f"{history}/{number}").json()["detail"] == "Revision not found."


def test_a_revision_of_another_note_is_a_404(operator, history):
    other = operator.post(NOTES, {"title": "Other"}).data["id"]

    assert operator.get(f"{NOTES}/{other}/revisions/1").status_code == 404


def test_restoring_a_revision_is_a_new_write_with_the_old_content(operator, history):
    response = operator.post(f"{history}/1/restore")

    assert response.status_code == 200
    assert (response.data["title"], response.data["body"], response.data["tags"]) == ("Plan", "One\nTwo\n", ["work"])
    assert response.data["revision"] == 4
    assert [row["number"] for row in operator.get(history).data["results"]] == [4, 3, 2, 1]


def test_restoring_a_revision_obeys_if_match(operator, history):
    assert operator.post(f"{history}/1/restore", headers={"If-Match": '"2"'}).status_code == 412


def test_pruning_erases_old_content_but_never_the_present(operator, history, notebook, capsys):
    Revision.objects.update(written_at=timezone.now() - timedelta(days=400))

    call_command("prune_revisions", "--days=365", "--keep=1")

    assert capsys.readouterr().out == "Erased the content of 2 revisions.\n"
    assert [row["number"] for row in operator.get(history).data["results"]] == [3]
    assert operator.get(f"{history}/1").status_code == 404
    notebook.refresh_from_db()
    assert list(problems(notebook)) == []


def test_pruning_keeps_the_young_and_the_newest(operator, history):
    Revision.objects.filter(number=1).update(written_at=timezone.now() - timedelta(days=400))

    call_command("prune_revisions", "--days=365", "--keep=3")
    assert len(operator.get(history).data["results"]) == 3
    call_command("prune_revisions", "--days=365", "--keep=1")
    assert len(operator.get(history).data["results"]) == 2


def test_pruning_keeps_the_newest_of_each_note(notebook, by, monkeypatch, capsys):
    monkeypatch.setattr(prune_revisions, "WRITES_AT_ONCE", 3)
    with Door(notebook, by) as door:
        notes = door.create_many([{"title": f"Note {number}"} for number in range(4)])
        for number, note in enumerate(notes):
            for edit in range(number):
                door.edit(note, body=str(edit))
    other = create_note(Notebook.objects.create(name="other"), by, title="Other")
    Revision.objects.update(written_at=timezone.now() - timedelta(days=400))

    call_command("prune_revisions", "--days=365", "--keep=2")

    assert capsys.readouterr().out == "Erased the content of 3 revisions.\n"
    assert [note.revisions.kept().count() for note in (*notes, other)] == [1, 2, 2, 2, 1]
    assert set(notes[3].revisions.kept().values_list("body", flat=True)) == {"1", "2"}
    notebook.refresh_from_db()
    assert list(problems(notebook)) == []


def test_pruning_takes_no_lock_where_there_is_nothing_to_erase(notebook, by, django_assert_num_queries):
    create_notes(notebook, by, [{"title": f"Note {number}"} for number in range(50)])

    # The queries: the notebooks, whether one of the first thousand writes is too old, the receipts, the renames.
    with django_assert_num_queries(4):
        call_command("prune_revisions")


@pytest.mark.parametrize("keep", ["0", "-1", "1000001", f"{10**30}"])
def test_pruning_refuses_to_keep_nothing_or_an_absurd_number(db, keep):
    with pytest.raises(CommandError, match="--keep must be from 1 to 1000000"):
        call_command("prune_revisions", f"--keep={keep}")


def test_a_diff_of_long_texts_without_common_lines_ends_soon():
    old, new = ("".join(f"{word}{number}\n" for number in range(50_000)) for word in ("a", "b"))

    diff = diffs.unified(f"same\n{old}", f"same\n{new}")

    assert diff.count("\n-a") == diff.count("\n+b") == 50_000
    assert "@@ -2,50000 +2,50000 @@" in diff


def test_a_diff_cuts_lines_at_newlines_alone():
    assert diffs.unified("a\x0cb\nc\n", "a\x0cB\nc\n").count("\\ No newline") == 0


@pytest.mark.parametrize("days", ["-1", "x", "36501", "999999999999"])
def test_an_absurd_number_of_days_is_refused(db, days):
    for command in ("empty_trash", "prune_revisions"):
        with pytest.raises(CommandError, match="number of days"):
            call_command(command, f"--days={days}")
