"""Notes as files: what is written where, what each export touches, and what none ever touches."""

import json
import os
import unicodedata
import uuid
from contextlib import suppress
from functools import partial
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from notes import exporting
from notes.exporting import STATE, Folder
from notes.models import Note, Notebook
from tests.writing import create_note, edit, purge, restore, trash

FOLDER = Path(__file__).parent / "notes_folder"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "folder"


def export(folder, **options):
    """Return (the summary as a dict of numbers, the exit code)."""
    output, code = StringIO(), 0
    try:
        call_command("export_notes", str(folder), stdout=output, **options)
    except SystemExit as end:
        code = end.code
    pairs = [pair.rsplit(" ", 1) for pair in output.getvalue().strip().split(", ")]
    return {name: int(number) for name, number in pairs if number != "0"}, code


def files_in(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != STATE}


def file_of(note, folder):
    (path,) = folder.glob(f"*{str(note.uuid)[-8:]}.md")
    return path


def exported_afresh(tmp_path):
    export(tmp_path / "afresh")
    return files_in(tmp_path / "afresh")


# What is written


def test_a_file_is_the_note_as_the_api_shows_it(operator, notebook, note, by, folder):
    create_note(notebook, by, title="Été 😀", metadata={"id": "x", "Author": "Ada"}, body="a\r\nb")

    assert export(folder) == ({"written": 2}, 0)

    for one in notebook.notes.all():
        assert file_of(one, folder).read_bytes() == operator.get(f"/api/v1/notes/{one.uuid}.md").content


ID = uuid.UUID("01a20f1b-7c3e-7abc-8def-0123456789ab")


@pytest.mark.once
@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Bread for Sunday", "bread-for-sunday-456789ab.md"),
        ("CON", "con-456789ab.md"),
        ("../../etc/passwd", "etc-passwd-456789ab.md"),
        (".hidden. ", "hidden-456789ab.md"),
        ('a<b>c:d"e/f\\g|h?i*j\nk', "a-b-c-d-e-f-g-h-i-j-k-456789ab.md"),
        ("😀", "456789ab.md"),
        ("e\u0301t\u00e9", "\u00e9t\u00e9-456789ab.md"),
        ("\u202eevil\u200b", "evil-456789ab.md"),
        ("हिन्दी में", "हिन्दी-में-456789ab.md"),
        ("東京", "東京-456789ab.md"),
        ("x" * 200, f"{'x' * 80}-456789ab.md"),
        ("한" * 200, f"{'한' * 26}-456789ab.md"),
    ],
)
def test_a_name_is_safe_on_every_system(title, name):
    assert exporting.name_of(Note(uuid=ID, title=title), {}) == name
    # The strictest system decomposes names, and counts 255 bytes.
    assert len(unicodedata.normalize("NFD", name).encode()) < 255


def test_equal_titles_have_names_of_their_own_on_every_system(notebook, by, folder):
    ends_alike = [uuid.UUID(int=ID.int + (number << 96)) for number in range(2)]
    for title in ("Straße", "STRASSE", "Cafe\u0301", "Caf\u00e9", "café"):
        create_note(notebook, by, title=title)
    for one in ends_alike:
        create_note(notebook, by, title="Same", uuid=one)

    assert export(folder) == ({"written": 7}, 0)

    names = {unicodedata.normalize("NFD", name).casefold() for name in files_in(folder)}
    assert len(names) == 7
    assert {f"same-{str(ends_alike[0])[-8:]}.md", f"same-{ends_alike[1]}.md"} < names
    assert export(folder) == ({}, 0)


def test_what_is_exported_comes_back_without_a_number_and_leaves_as_the_same_bytes(notebook, by, tmp_path, capsys):
    other = Notebook.objects.create(name="other")
    with pytest.raises(SystemExit):
        call_command("import_notes", str(FOLDER))
    create_note(
        notebook, by, title="Plan", tags=["a"], metadata={"date": "", "a": 1.5, "b": True}, body="---\na: b\n---"
    )
    export(tmp_path / "first")
    notebook.refresh_from_db()
    before = notebook.revision
    capsys.readouterr()

    call_command("import_notes", str(tmp_path / "first"))
    call_command("import_notes", str(tmp_path / "first"), notebook="other")
    export(tmp_path / "second", notebook="other")

    assert capsys.readouterr().out.splitlines() == [
        "created 0, updated 0, unchanged 7, kept 0, deleted 0, skipped 0, failed 0",
        "created 7, updated 0, unchanged 0, kept 0, deleted 0, skipped 0, failed 0",
    ]
    notebook.refresh_from_db()
    assert notebook.revision == before
    assert other.notes.count() == 7
    assert files_in(tmp_path / "first") == files_in(tmp_path / "second")


# What the next export touches


def test_an_export_touches_only_what_has_changed_since_the_last(notebook, by, folder, tmp_path):
    edited, renamed, trashed, *others = [create_note(notebook, by, title=f"Note {number}") for number in range(20)]
    export(folder)
    before, state = files_in(folder), (folder / STATE).read_text().splitlines()
    times = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    edit(edited, by, body="New")
    edit(renamed, by, title="Another title")
    trash(trashed, by)
    new = create_note(notebook, by, title="New")

    assert export(folder) == ({"written": 3, "removed": 1}, 0)

    after = files_in(folder)
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    ends = {str(one.uuid)[-8:] for one in (edited, renamed, trashed, new)}
    assert len(changed) == 5
    assert {name.removesuffix(".md")[-8:] for name in changed} == ends
    assert file_of(renamed, folder).name.startswith("another-title-")
    assert all(file_of(one, folder).stat().st_mtime_ns == times[file_of(one, folder)] for one in others)
    # In the state these notes have other lines, and so has the number of the last write. No other line has changed.
    lines = (folder / STATE).read_text().splitlines()
    assert len(set(lines) - set(state)) == 4
    assert len(set(state) - set(lines)) == 4
    assert after == exported_afresh(tmp_path)


def test_an_export_of_no_changes_reads_no_note_and_writes_the_same_state(note, folder, django_assert_num_queries):
    export(folder)
    before = (folder / STATE).read_bytes()

    # The notebook twice, how many notes have changed, and these.
    with django_assert_num_queries(4):
        assert export(folder) == ({}, 0)
    assert (folder / STATE).read_bytes() == before


def test_a_restored_note_comes_back_and_a_purged_one_goes(notebook, by, note, folder):
    export(folder)
    trash(note, by)
    export(folder)
    assert files_in(folder) == {}
    restore(note, by)
    assert export(folder) == ({"written": 1}, 0)
    purge(note, by)
    assert export(folder) == ({"removed": 1}, 0)


def test_after_a_restore_every_file_is_compared(notebook, by, note, folder):
    create_note(notebook, by, title="Same")
    unknown = create_note(notebook, by, title="Of the lost future")
    export(folder)
    unknown.revisions.all().delete()
    unknown.delete()
    Note.objects.filter(pk=note.pk).update(body="Older")
    Notebook.objects.update(epoch=uuid.uuid4())

    assert export(folder) == ({"written": 1, "removed": 1, "unchanged": 1}, 0)
    assert b"Older" in file_of(note, folder).read_bytes()
    assert export(folder) == ({}, 0)


def test_a_counter_that_went_back_is_noticed_without_a_new_epoch(notebook, by, note, folder):
    create_note(notebook, by, title="Another")
    export(folder)
    Notebook.objects.update(revision=1)

    assert export(folder) == ({"unchanged": 2}, 0)


def test_without_its_state_a_folder_is_compared_and_not_written(note, folder):
    export(folder)
    (folder / STATE).unlink()

    assert export(folder) == ({"unchanged": 1}, 0)
    assert export(folder) == ({}, 0)


# What no export touches


def test_a_file_that_somebody_changed_is_named_each_time_until_it_is_gone(note, by, folder, capsys):
    export(folder)
    path = file_of(note, folder)
    path.write_text("Mine")
    assert export(folder) == ({}, 0)
    edit(note, by, title="Renamed", body="New")

    for _ in range(2):
        assert export(folder) == ({"left as they are": 1}, 1)
        assert capsys.readouterr().err == f"{path.name}: somebody else made or changed it; it is left as it is\n"
        assert files_in(folder) == {path.name: b"Mine"}

    path.unlink()
    assert export(folder) == ({"written": 1}, 0)
    assert export(folder) == ({}, 0)


@pytest.mark.parametrize("ends", ["trashed", "unknown after a restore"])
def test_a_changed_file_outlives_its_note(notebook, note, by, folder, ends):
    export(folder)
    path = file_of(note, folder)
    path.write_text("Mine")
    if ends == "trashed":
        trash(note, by)
    else:
        note.revisions.all().delete()
        note.delete()
        Notebook.objects.update(epoch=uuid.uuid4(), revision=0)

    assert [export(folder), export(folder)] == [({"left as they are": 1}, 1)] * 2
    assert path.read_text() == "Mine"
    path.unlink()
    export(folder)
    assert export(folder) == ({}, 0)
    assert str(note.uuid) not in (folder / STATE).read_text()


def test_a_file_that_was_there_before_is_named_and_left(note, folder):
    folder.mkdir()
    path = folder / exporting.name_of(note, {})
    path.write_text("Mine")
    (folder / "README.md").write_text("Mine")

    assert export(folder) == ({"left as they are": 1}, 1)
    assert path.read_text() == "Mine"
    path.rename(folder / "mine.md")
    assert export(folder) == ({"written": 1}, 0)
    assert (folder / "README.md").read_text() == (folder / "mine.md").read_text() == "Mine"


def test_no_link_is_followed_out_of_the_folder(note, by, folder, tmp_path):
    export(folder)
    path, outside = file_of(note, folder), tmp_path / "outside"
    # The link leads to the very bytes that were written.
    path.rename(outside)
    path.symlink_to(outside)
    before = outside.read_bytes()
    edit(note, by, body="New")

    assert export(folder) == ({"left as they are": 1}, 1)
    assert path.is_symlink()
    assert outside.read_bytes() == before

    (folder / STATE).rename(tmp_path / "state")
    (folder / STATE).symlink_to(tmp_path / "state")
    with pytest.raises(CommandError, match="is damaged: it is a link"):
        export(folder)


@pytest.mark.parametrize("name", ["../outside.md", "/outside.md", "a\\..\\outside.md", "c:outside.md", "outside.txt"])
def test_a_state_that_names_a_file_outside_is_refused(note, by, folder, name):
    export(folder)
    state = json.loads((folder / STATE).read_text())
    state["files"][str(note.uuid)][0][0] = name
    (folder / STATE).write_text(json.dumps(state))
    trash(note, by)

    with pytest.raises(CommandError, match="outside of the folder"):
        export(folder)


# What goes wrong


class Killed(BaseException):
    pass


def test_an_export_that_was_killed_anywhere_is_healed_by_the_next(notebook, by, tmp_path, monkeypatch):
    """Before each change to the disk it is killed, and the notes change again before it goes on."""
    edited, renamed, trashed = [create_note(notebook, by, title=f"Note {number}") for number in range(3)]
    disk = {name: getattr(os, name) for name in ("replace", "unlink")}
    steps, was_killed = 0, True

    while was_killed:
        folder, steps = tmp_path / str(steps), steps + 1
        purged = create_note(notebook, by, title="Purged")
        left = iter(range(steps))

        def until_killed(act, *paths, left=left, **options):
            if next(left, None) is None:
                raise Killed
            return act(*paths, **options)

        with monkeypatch.context() as machine, suppress(Killed):
            for name, act in disk.items():
                machine.setattr(os, name, partial(until_killed, act))
            for number in range(2):
                edit(edited, by, body=f"{steps}.{number}")
                edit(renamed, by, title=f"Title {steps}.{number}")
                (restore if trashed.deleted_at else trash)(trashed, by)
                export(folder)
            was_killed = False
        edit(edited, by, body=f"{steps}.2")
        edit(renamed, by, title=f"Title {steps}.2")
        purge(purged, by)

        assert export(folder)[1] == 0
        afresh = tmp_path / f"{steps}-afresh"
        export(afresh)
        assert files_in(folder) == files_in(afresh)
    assert steps > 12


def test_an_interrupted_export_says_how_to_go_on(note, folder, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as at_the_keyboard:
        at_the_keyboard.setattr(Folder, "replace", interrupted)
        with pytest.raises(CommandError, match=r"Interrupted: .* run it again to go on") as stop:
            export(folder)

    assert stop.value.returncode == 130
    assert export(folder) == ({"written": 1}, 0)


def test_what_cannot_be_an_export_is_told_in_a_sentence(notebook, note, folder, tmp_path):
    Notebook.objects.create(name="other")
    export(folder)

    with pytest.raises(CommandError, match="is the folder of the notebook 'default'"):
        export(folder, notebook="other")
    with pytest.raises(CommandError, match="There is no notebook 'third'"):
        export(folder, notebook="third")
    with pytest.raises(CommandError, match=r"The folder is not up to date.*exists"):
        export(file_of(note, folder))
    (folder / STATE).write_text("<<<<<<< ours")
    with pytest.raises(CommandError, match=r"is damaged: .* Delete it"):
        export(folder)
