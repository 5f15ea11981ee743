"""Notes from files: what becomes of them and what is refused. A second import changes nothing."""

import json
import os
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from notes import importing, markdown
from notes.door import Door
from notes.models import Note, Notebook, Revision, Writer
from notes.verification import problems
from tests.writing import create_note, edit, trash

FOLDER = Path(__file__).parent / "notes_folder"
AT_NOON = datetime(2024, 5, 31, 12, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def write(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.utime(path, (AT_NOON.timestamp(), AT_NOON.timestamp()))
    return path


def read(folder, content, name="note.md"):
    write(folder, name, content)
    (file,) = markdown.read_folder(folder)
    return file


def run_import(folder, **options):
    """Return (the summary as a dict of numbers, the exit code)."""
    output, code = StringIO(), 0
    try:
        call_command("import_notes", str(folder), stdout=output, **options)
    except SystemExit as end:
        code = end.code
    return counts(output.getvalue()), code


def counts(summary):
    pairs = [pair.split(" ") for pair in summary.strip().split(", ")]
    return {name: int(number) for name, number in pairs if number != "0"}


# What a file says


def test_the_folder_of_the_tests_is_read_in_order():
    files = list(markdown.read_folder(FOLDER))

    assert [file.path for file in files] == [
        "bad-front-matter.md",
        "bad-tags.md",
        "bread.md",
        "comma-tags.md",
        "first-e-mail.md",
        "front-matter.md",
        "horizontal-rule.md",
        "trips/lisbon.md",
    ]
    assert [file.title for file in files if isinstance(file, markdown.NoteFile)] == [
        "Bread for Sunday",
        "Cuttings",
        "first-e-mail",
        "Reading list: winter",
        "horizontal-rule",
        "Lisboa à pé",
    ]


def test_front_matter_gives_title_tags_and_dates_and_leaves_the_body():
    file = next(file for file in markdown.read_folder(FOLDER) if file.path == "front-matter.md")

    assert file.title == "Reading list: winter"
    assert file.tags == ["books", "no", "2024"]
    assert file.created_at == datetime(2024, 1, 5, tzinfo=UTC)
    assert file.updated_at == datetime(2024, 2, 10, 17, 30, tzinfo=UTC)
    assert file.body == "\nTwo that are left over from the summer.\n"


def test_tags_may_be_text_with_commas():
    file = next(file for file in markdown.read_folder(FOLDER) if file.path == "comma-tags.md")

    assert file.tags == ["garden", "Rosemary"]


@pytest.mark.parametrize(
    "content",
    [
        "\r\n\r\n  # Plan\r\ntabs\t\r\n\r\n\r\n",
        "  leading and trailing  \n \n",
        "---\n\nbetween two rules\n\n---\n",
        "---\nProse between two rules.\n---\nMore.\n",
        "---\n# A heading between two rules\n---\n",
        "---\n**Bold: prose: here**\n---\n",
        "---\ntitle: never closed\n",
        "---- \ntitle: four hyphens are a rule\n----\n",
        "text first\n---\ntitle: no\n---\n",
        "",
    ],
)
def test_text_without_front_matter_is_kept_byte_for_byte(folder, content):
    assert read(folder, content).body == content


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_only_the_block_of_front_matter_is_taken_away(folder, newline):
    body = newline.join(["", "", "# Heading", "---", "a: b", "---", "  end  "])

    file = read(folder, newline.join(["---", "title: Plan", "--- ", body]))

    assert (file.title, file.body) == ("Plan", body)


def test_a_byte_order_mark_hides_no_front_matter(folder):
    file = read(folder, b"\xef\xbb\xbf---\ntitle: Plan\n---\nText")

    assert (file.title, file.body) == ("Plan", "Text")


@pytest.mark.parametrize(
    ("content", "title"),
    [
        ("---\ntitle: 007\n---\n", "007"),
        ("---\ntitle: 12:30\n---\n", "12:30"),
        ("---\ntitle: 2024-01-05\n---\n", "2024-01-05"),
        ("---\ntitle: no\n---\n", "no"),
        ("---\nTitle: Upper case\n---\n", "Upper case"),
        ("---\ntitle: null\n---\n# Heading\n", "Heading"),
        ("---\ntitle:\n---\n# Heading\n", "Heading"),
        ("---\n---\n# Heading\n", "Heading"),
        ("# C#\n", "C#"),
        ("# Closed ##\n", "Closed"),
        ("#hashtag\n## Second level\n# First level\n", "First level"),
        ("    # indented code\n# Heading\n", "Heading"),
        ("~~~\n# comment\n```\n~~~~\n# Heading\n", "Heading"),
        ("``` not `a` fence\n# Heading\n", "Heading"),
        ("#\n", "note"),
        ("No heading", "note"),
        ("---\ntitle: \u200b\n---\n# Heading\n", "Heading"),
        ("# \u2800\n# Heading\n", "Heading"),
        ("# \u00ad\n", "note"),
    ],
)
def test_the_title_comes_from_front_matter_then_the_first_heading_then_the_name(folder, content, title):
    assert read(folder, content).title == title


def test_a_file_whose_name_shows_nothing_is_called_by_all_of_it(folder):
    assert read(folder, "No heading", name="\u200b.md").title == "\u200b.md"


@pytest.mark.parametrize(
    ("front_matter", "created_at", "updated_at"),
    [
        ("", AT_NOON, AT_NOON),
        ("date: 2024-01-05", datetime(2024, 1, 5, tzinfo=UTC), AT_NOON),
        ("created: 2024-1-5 08:09:10", datetime(2024, 1, 5, 8, 9, 10, tzinfo=UTC), AT_NOON),
        ("created_at: 2024-01-05T08:00:00+02:00", datetime(2024, 1, 5, 6, tzinfo=UTC), AT_NOON),
        ("created_at: 2024-01-05t08:00:00.5z", datetime(2024, 1, 5, 8, 0, 0, 500000, tzinfo=UTC), AT_NOON),
        ("modified: 2024-01-05", datetime(2024, 1, 5, tzinfo=UTC), datetime(2024, 1, 5, tzinfo=UTC)),
        ("date: 2025-01-05", datetime(2025, 1, 5, tzinfo=UTC), datetime(2025, 1, 5, tzinfo=UTC)),
        (
            "date: 2024-01-05\nupdated_at: 2024-01-06",
            datetime(2024, 1, 5, tzinfo=UTC),
            datetime(2024, 1, 6, tzinfo=UTC),
        ),
    ],
)
def test_dates_come_from_front_matter_and_else_from_the_file(folder, front_matter, created_at, updated_at):
    file = read(folder, f"---\n{front_matter}\nlayout: post\n---\n" if front_matter else "Text")

    assert (file.created_at, file.updated_at) == (created_at, updated_at)


# What is refused


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"caf\xe9", "it is not UTF-8"),
        ("One\x00two", "A body has no NUL character"),
        ("# " + "x" * 201, "A title has at most 200 characters; this one has 201"),
        ("x" * 100_001, "A body has at most 100000 characters; this one has 100001"),
        ("x" * 1_000_000, "it is longer than"),
        ("---\ntitle: [\n---\n", "the front matter is not YAML"),
        ("---\n# generated\ntitle: 'x\n---\n", "the front matter is not YAML"),
        ("---\ntitle: a\x07b\n---\n", "the front matter is not YAML"),
        ("---\ntitle: a\n...\n: b\n---\n", "the front matter is not YAML"),
        ("---\na: b\n? [a]\n: b\n---\n", "the front matter is not YAML"),
        ("---\n- one\n- two\n---\n", "the front matter is a list"),
        ("---\na: &a [x, x]\nb: &b [*a, *a]\ntags: [*b, *b]\n---\n", "the front matter has a YAML alias"),
        ("---\na: &a {<<: *a}\n---\n", "the front matter has a YAML alias"),
        ("---\na: " + "[" * 60_000 + "\n---\n", "the front matter is nested deeper"),
        ("---\na: " + "x" * 140_000 + "\n---\n", "the front matter is longer"),
        ("---\ntitle: [a]\n---\n", "the title in the front matter is not text"),
        ('---\ntitle: "a\\0b"\n---\n', "A title has no NUL character"),
        ("---\ntags: {a: b}\n---\n", "the tags are neither a list"),
        ("---\ntags: [[a]]\n---\n", "a tag is not text"),
        ("---\ntags: ['a, b']\n---\n", "A tag has no comma"),
        ('---\ntags: ["a\\0b"]\n---\n', "A tag has no NUL character"),
        ("---\ntags: [" + "x" * 51 + "]\n---\n", "A tag has at most 50 characters"),
        ("---\ntags: [" + ",".join(map(str, range(51))) + "]\n---\n", "A note has at most 50 tags; these are 51"),
        ("---\ndate: 2024-02-30\n---\n", "`date` is no date"),
        ("---\ndate: yesterday\n---\n", "`date` is no date"),
        ("---\ndate: [2024]\n---\n", "`date` is no date"),
        ("---\ndate: 0001-01-01T00:00:00+23:59\n---\n", "`date` is no date"),
    ],
)
def test_a_file_that_cannot_be_a_note_is_named_with_the_reason(folder, content, reason):
    file = read(folder, content)

    if file == markdown.BadFile("note.md", getattr(file, "reason", None)):
        assert file.reason.startswith(reason)
    else:
        pytest.fail(f"read as {file}"[:200])


def test_python_tags_in_yaml_make_nothing(folder):
    assert read(folder, "---\ntitle: !!python/object/apply:os.getcwd []\n---\n").reason.startswith("the title")
    assert read(folder, "---\ntitle: !!int x\n---\n").title == "x"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")
def test_a_file_name_that_is_not_utf8_is_refused_in_readable_letters(folder):
    path = os.path.join(os.fsencode(folder), b"caf\xe9\n\x1b.md")
    with open(path, "wb"):
        pass

    (file,) = markdown.read_folder(folder)

    assert file.path == r"caf\udce9\n\x1b.md"
    assert file.reason == "the name is not UTF-8"


def test_hidden_files_other_files_and_links_are_no_notes(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    write(outside, "secret.md", "Secret")
    write(folder, "note.md", "Note")
    write(folder, "READ.MD", "Note too")
    for name in [".git/a.md", ".hidden.md", "picture.png", "note.txt"]:
        write(folder, name, "No")
    (folder / "link.md").symlink_to(outside / "secret.md")
    (folder / "inside.md").symlink_to(folder / "note.md")
    (folder / "linked").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    (folder / "folder.md").mkdir()

    assert [file.path for file in markdown.read_folder(folder)] == ["READ.MD", "note.md"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_named(folder):
    write(folder, "closed/note.md", "Note")
    write(folder, "note.md", "Note").chmod(0)
    (folder / "closed").chmod(0)

    files = list(markdown.read_folder(folder))
    (folder / "closed").chmod(0o700)

    assert [file.path for file in files] == ["note.md", "closed"]
    assert all("Permission denied" in file.reason for file in files)


@pytest.mark.parametrize("value", ["202405311200", "[a]", "", "01A20F1B-7C3E-7ABC-8DEF-0123456789AB"])
def test_an_id_of_another_program_is_metadata(folder, value):
    file = read(folder, f"---\nid: {value}\n---\n")

    assert file.id is None
    assert list(file.metadata) == ["id"]


def test_of_two_files_with_one_id_the_second_is_named(folder):
    for name in ("a.md", "b.md"):
        write(folder, name, "---\nid: 01a20f1b-7c3e-7abc-8def-0123456789ab\n---\n")

    first, second = markdown.read_folder(folder)

    assert (str(first.uuid), first.metadata) == ("01a20f1b-7c3e-7abc-8def-0123456789ab", {})
    assert second == markdown.BadFile("b.md", "a.md is the same note")


# What becomes of the notebook


def test_the_folder_becomes_notes_and_bad_files_are_named(notebook, capsys):
    result = run_import(FOLDER)

    assert result == ({"created": 6, "failed": 2}, 1)
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert errors[0].startswith("bad-front-matter.md: the front matter is not YAML: ")
    assert errors[1] == "bad-tags.md: a tag is not text"
    note = Note.objects.get(title="Reading list: winter")
    assert note.tags == ["books", "no", "2024"]
    assert note.metadata == {"author": "somebody"}
    assert note.created_at == datetime(2024, 1, 5, tzinfo=UTC)
    assert note.updated_at == datetime(2024, 2, 10, 17, 30, tzinfo=UTC)
    assert set(Revision.objects.values_list("writer", "writer_name")) == {("command:import_notes", "import_notes")}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("Ada", "Ada"),
        ("", ""),
        ("~", ""),
        ("'~'", "~"),
        ("5", 5),
        ("'5'", "5"),
        ("-1.5", -1.5),
        ("1.10", "1.10"),
        ("1.0", "1.0"),
        ("007", "007"),
        ("1e3", "1e3"),
        ("9007199254740993", "9007199254740993"),
        ("1" * 900, "1" * 900),
        ("1e400", "1e400"),
        ("true", True),
        ("'true'", "true"),
        ("True", "True"),
        ("yes", "yes"),
        ("2024-02-30", "2024-02-30"),
        ("12:30", "12:30"),
        ("[]", []),
        ("[a, 5, true, 1.10, ~, 'b, c']", ["a", "5", "true", "1.10", "", "b, c"]),
        ("[[a, 1], {b: ~}]", ['["a",1]', '{"b":null}']),
        ("{größe: 1, b: [true, 'c', 1.10]}", '{"größe":1,"b":[true,"c","1.10"]}'),
        ("'[[Link]]'", "[[Link]]"),
        ("|\n  two\n  lines", "two\nlines\n"),
    ],
)
def test_every_other_name_of_the_front_matter_becomes_metadata(folder, written, value):
    file = read(folder, f"---\nTitle: Plan\nDue Date: {written}\n---\n")

    assert (file.title, file.left_out) == ("Plan", ())
    # Not 1 for true.
    assert json.dumps(file.metadata) == json.dumps({"Due Date": value})


def test_names_keep_their_order_and_case_and_a_date_that_is_not_used_is_kept(folder):
    file = read(folder, "---\nz: 1\nDate: 2024-01-05\nAuthor: me\ncreated: 2023-01-05\nauthor: you\nupdated:\n---\n")

    assert list(file.metadata.items()) == [
        ("z", 1),
        ("Author", "me"),
        ("created", "2023-01-05"),
        ("author", "you"),
        ("updated", ""),
    ]
    assert file.created_at == datetime(2024, 1, 5, tzinfo=UTC)


def test_what_is_over_a_limit_of_metadata_is_told_once_and_the_note_comes_in(notebook, folder, capsys):
    names = "".join(f"name{number}: x\n" for number in range(61))
    write(folder, "a.md", f'---\ntitle: A\nlong: {"x" * 1001}\n"nu\\0l": x\nnul: "\\0"\nauthor: me\n---\n')
    write(folder, "b.md", f'---\nlong: [{"x" * 1001}]\n"\\e[2Jred": x\n{names}---\n')

    assert run_import(folder) == ({"created": 2}, 0)

    told = capsys.readouterr().err
    assert told.startswith("Left out, as over a limit of metadata: long (2), nu\\x00l (1), nul (1), ")
    assert "\\x1b[2Jred (1)" in told
    assert told.endswith(", and 5 more.\n")
    assert Note.objects.get(title="A").metadata == {"author": "me"}
    assert len(Note.objects.get(title="b").metadata) == 50
    assert run_import(folder) == ({"unchanged": 2}, 0)
    assert capsys.readouterr().err == ""
    notebook.refresh_from_db()
    assert list(problems(notebook)) == []


def test_changed_metadata_is_an_edit(notebook, folder):
    write(folder, "note.md", "---\ndone: false\n---\n")
    run_import(folder)
    write(folder, "note.md", "---\ndone: 0\n---\n")

    assert run_import(folder) == ({"updated": 1}, 0)
    assert Note.objects.get().metadata["done"] is not False


def test_no_note_was_changed_before_it_was_created(notebook, folder):
    write(folder, "note.md", "---\ndate: 2025-01-05\nupdated: 2020-01-05\n---\nText")

    run_import(folder)

    note = Note.objects.get()
    assert note.created_at == note.updated_at == datetime(2025, 1, 5, tzinfo=UTC)


def test_a_good_folder_ends_with_0_and_says_nothing_else(notebook, folder, capsys):
    write(folder, "note.md", "Note")

    assert run_import(folder) == ({"created": 1}, 0)
    assert capsys.readouterr() == ("", "")


def test_a_second_import_changes_nothing(notebook):
    run_import(FOLDER)
    before = list(Note.objects.order_by("pk").values())
    notebook.refresh_from_db()
    revision = notebook.revision

    result = run_import(FOLDER)

    assert result == ({"unchanged": 6, "failed": 2}, 1)
    assert list(Note.objects.order_by("pk").values()) == before
    notebook.refresh_from_db()
    assert notebook.revision == revision


def test_a_note_keeps_its_id_in_another_notebook_and_at_another_place(notebook, folder, tmp_path_factory):
    Notebook.objects.create(name="other")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for place in (folder, elsewhere):
        write(place, "deep/note.md", "Note")

    run_import(folder)
    result = run_import(elsewhere, notebook="other")

    assert result == ({"created": 1}, 0)
    # The namespace is written out here, because changing it would import every note a second time.
    assert {str(uuid) for uuid in Note.objects.values_list("uuid", flat=True)} == {
        "8bbf1185-d883-55bb-851b-558a572e87eb"
    }


def test_folders_with_equal_file_names_are_kept_apart_by_their_sources(notebook, folder, tmp_path_factory):
    vaults = {"": folder, "b": tmp_path_factory.mktemp("b"), "b/c": tmp_path_factory.mktemp("c")}
    for source, vault in vaults.items():
        write(vault, "c/README.md", f"# Vault {source}")
        write(vault, "README.md", f"# Readme {source}")

    for source, vault in vaults.items():
        assert run_import(vault, source=source) == ({"created": 2}, 0)
    for source, vault in vaults.items():
        assert run_import(vault, source=source) == ({"unchanged": 2}, 0)

    titles = set(Note.objects.values_list("title", flat=True))
    assert titles == {"Vault", "Readme", "Vault b", "Readme b", "Vault b/c", "Readme b/c"}
    # Written out, as above.
    assert str(Note.objects.get(title="Readme b").uuid) == "c636144e-0597-5bdf-98ac-3d802834fc81"


@pytest.mark.parametrize("source", ["a\nb", "a\0b", "caf\udce9"])
def test_a_source_is_one_line_of_visible_text(notebook, folder, source):
    with pytest.raises(CommandError, match="visible text"):
        call_command("import_notes", str(folder), f"--source={source}")


def test_a_changed_file_is_an_edit_of_its_note(notebook, folder):
    write(folder, "note.md", "# Old")
    write(folder, "same.md", "# Same")
    run_import(folder)
    write(folder, "note.md", "---\ntags: [new]\n---\n# New")

    result = run_import(folder)

    assert result == ({"updated": 1, "unchanged": 1}, 0)
    note = Note.objects.get(title="New")
    assert (note.body, note.tags) == ("# New", ["new"])
    assert [revision.action for revision in note.revisions.order_by("number")] == ["create", "edit"]
    assert run_import(folder) == ({"unchanged": 2}, 0)


def test_a_note_that_somebody_changed_is_kept(notebook, by, folder):
    write(folder, "note.md", "# Old")
    run_import(folder)
    edit(notebook.notes.get(), by, body="Worked on")
    write(folder, "note.md", "# New")

    result = run_import(folder)

    assert result == ({"kept": 1}, 0)
    assert Note.objects.get().body == "Worked on"


def test_a_file_that_says_what_its_note_holds_is_unchanged_whoever_wrote_the_note(notebook, note, folder):
    write(folder, "note.md", f"---\nid: {note.uuid}\ntitle: Plan\ntags: [work]\n---\nOne\nTwo\n")

    assert run_import(folder) == ({"unchanged": 1}, 0)


def test_a_deleted_note_stays_deleted(notebook, by, folder):
    write(folder, "note.md", "# Old")
    run_import(folder)
    trash(notebook.notes.get(), by)

    result = run_import(folder)

    assert result == ({"deleted": 1}, 0)
    assert not Note.objects.live().exists()


def test_a_note_whose_file_is_gone_stays(notebook, folder):
    path = write(folder, "note.md", "# Old")
    run_import(folder)
    path.unlink()

    assert run_import(folder) == ({}, 0)
    assert Note.objects.live().count() == 1


def test_an_import_needs_a_folder_and_a_notebook(notebook, folder):
    path = write(folder, "note.md", "Note")

    with pytest.raises(CommandError, match="is no folder"):
        run_import(path)
    with pytest.raises(CommandError, match="There is no notebook 'other'"):
        run_import(folder, notebook="other")


def test_a_chunk_without_changes_takes_few_queries(notebook, folder, django_assert_num_queries):
    for number in range(20):
        write(folder, f"{number}.md", "Note")
    run_import(folder)
    importer = Writer.command("import_notes")

    # The savepoint of the test's own transaction, the lock, the notes, their writers, the end of the savepoint.
    with django_assert_num_queries(5):
        list(importing.import_files(notebook, importer, markdown.read_folder(folder)))


def test_a_chunk_ends_at_a_number_of_files_and_of_characters(monkeypatch, folder):
    monkeypatch.setattr(importing, "CHUNK_FILES", 3)
    monkeypatch.setattr(importing, "CHUNK_CHARS", 10)
    for number, length in enumerate([1, 1, 1, 1, 9, 1]):
        write(folder, f"{number}.md", "x" * length)

    chunks = importing.chunks(markdown.read_folder(folder))

    assert [[len(file.body) for file in chunk] for chunk in chunks] == [[1, 1, 1], [1, 9], [1]]


@pytest.mark.django_db(transaction=True)
def test_an_interrupted_import_keeps_what_it_has_and_goes_on(notebook, folder, monkeypatch):
    monkeypatch.setattr(importing, "CHUNK_FILES", 2)
    for number in range(5):
        write(folder, f"{number}.md", "Note")
    create_many = Door.create_many

    def interrupted(door, drafts):
        if any(draft["title"] == "3" for draft in drafts):
            raise KeyboardInterrupt
        return create_many(door, drafts)

    with monkeypatch.context() as at_the_keyboard:
        at_the_keyboard.setattr(Door, "create_many", interrupted)
        with pytest.raises(CommandError, match=r"created 2,.* run it again") as stop:
            run_import(folder)

    assert stop.value.returncode == 130
    assert sorted(Note.objects.values_list("title", flat=True)) == ["0", "1"]
    assert run_import(folder) == ({"created": 3, "unchanged": 2}, 0)


@pytest.mark.django_db(transaction=True)
def test_another_writer_gets_its_turn_between_two_chunks(notebook, by, folder, monkeypatch):
    monkeypatch.setattr(importing, "CHUNK_FILES", 1)
    for number in range(3):
        write(folder, f"{number}.md", "Note")
    importer = Writer.command("import_notes")
    somebody = Notebook.objects.get(pk=notebook.pk)

    for _ in importing.import_files(notebook, importer, markdown.read_folder(folder)):
        create_note(somebody, by, title="Between")

    titles = list(Note.objects.order_by("revision").values_list("title", flat=True))
    assert titles == ["0", "Between", "1", "Between", "2", "Between"]
    assert list(Revision.objects.order_by("number").values_list("number", flat=True)) == [1, 2, 3, 4, 5, 6]


def test_the_reader_alone_needs_no_database(folder):
    write(folder, "note.md", "# Plan")
    script = (
        "import django, sys; django.setup();"
        "from notes import markdown;"
        "print([file.title for file in markdown.read_folder(sys.argv[1])])"
    )
    environment = {**os.environ, "DATABASE_URL": "sqlite:////nowhere/nothing.sqlite3"}

    result = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        env={**environment, "DJANGO_SETTINGS_MODULE": "notesproject.settings"},
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
    )

    assert (result.stdout, result.stderr) == ("['Plan']\n", "")


@pytest.fixture
def strict_sqlite(db):
    """SQLite with the limit of older versions on the parameters of a statement."""
    connection.ensure_connection()
    if connection.vendor == "sqlite":
        before = connection.connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999)
    yield
    if connection.vendor == "sqlite":
        connection.connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, before)


def test_a_chunk_may_have_more_notes_and_tags_than_a_statement_has_parameters(notebook, folder, strict_sqlite):
    for number in range(1100):
        write(folder, f"{number}.md", f"---\ntags: [tag{number}]\n---\n")

    assert run_import(folder) == ({"created": 1100}, 0)
    assert run_import(folder) == ({"unchanged": 1100}, 0)

    write(folder, "7.md", "---\ntags: [tag8]\n---\n")
    assert run_import(folder) == ({"updated": 1, "unchanged": 1099}, 0)
    assert notebook.tags.count() == 1099
    notebook.refresh_from_db()
    assert list(problems(notebook)) == []
