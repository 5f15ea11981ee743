"""Exports of other programs: what is kept of them. Archives that were made to hurt are refused at little cost."""

import io
import json
import os
import sqlite3
import tarfile
import tracemalloc
import uuid
import zipfile
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from notes import formats
from notes.formats import archives, arrays
from notes.markdown import BadFile, TrashedFile
from notes.models import Note
from tests.test_import import run_import

CREATED, EDITED = datetime(2023, 7, 28, 3, 24, 29, 841001, UTC), datetime(2023, 8, 1, 5, tzinfo=UTC)
KEEP = {
    "title": "Shopping",
    "color": "RED",
    "isTrashed": False,
    "isPinned": True,
    "isArchived": False,
    "createdTimestampUsec": 1690514669841001,
    "userEditedTimestampUsec": 1690866000000000,
}


def zipped(path, files, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, text in files.items():
            archive.writestr(name, text if isinstance(text, (str, bytes)) else json.dumps(text))
    return path


def tarred(path, files, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


def read(path, name, source=""):
    return list(formats.read(path, name, source))


def reasons(files):
    return {file.path: file.reason for file in files if isinstance(file, BadFile)}


# Google Keep


@pytest.mark.once
def test_keep_keeps_text_list_labels_and_microseconds(tmp_path):
    more = {
        "textContent": "For Sunday",
        "listContent": [{"text": "Bread\nwith seeds", "isChecked": True}, {"text": "Milk", "isChecked": False}],
        "labels": [{"name": "home"}, {"name": "a, b"}],
        "attachments": [{"filePath": "1.png", "mimetype": "image/png"}],
    }
    (note,) = read(zipped(tmp_path / "takeout-1.zip", {"Takeout/Keep/Shopping.json": KEEP | more}), "keep")

    assert (note.title, note.tags) == ("Shopping", ["home"])
    assert note.body == "For Sunday\n\n- [x] Bread\n  with seeds\n- [ ] Milk"
    assert (note.created_at, note.updated_at) == (CREATED, EDITED)
    assert note.metadata == {
        "tags": ["a, b"],
        "color": "RED",
        "pinned": True,
        "attachments": ['{"filePath":"1.png","mimetype":"image/png"}'],
    }


@pytest.mark.once
def test_a_folder_of_keep_gives_the_ids_that_its_zip_gives(tmp_path):
    (tmp_path / "Keep").mkdir()
    (tmp_path / "Keep/a.json").write_text(json.dumps(KEEP))

    (unpacked,) = read(tmp_path / "Keep", "keep")
    (packed,) = read(zipped(tmp_path / "takeout-1.zip", {"Takeout/Keep/a.json": KEEP}), "keep")
    (other,) = read(tmp_path / "Keep", "keep", "other")

    assert unpacked.uuid == packed.uuid != other.uuid


@pytest.mark.once
@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[" * 100_000,
        "[]",
        '{"title": "no dates"}',
        '{"createdTimestampUsec": 0}',
        '{"createdTimestampUsec": "soon"}',
        '{"createdTimestampUsec": 1e300}',
        '{"createdTimestampUsec": 1, "title": 1}',
        '{"createdTimestampUsec": 1, "labels": 1}',
        '{"createdTimestampUsec": 1, "labels": [{"name": 1}]}',
        '{"createdTimestampUsec": 1, "listContent": [{}]}',
        '{"createdTimestampUsec": 1, "textContent": 1}',
        '{"createdTimestampUsec": 1, "deep": ' + "[" * 900 + "]" * 900 + "}",
        b"\xff",
    ],
)
def test_a_bad_file_of_keep_is_named(tmp_path, text):
    files = read(zipped(tmp_path / "keep.zip", {"bad.json": text, "good.json": KEEP}), "keep")

    assert [type(file).__name__ for file in files] == ["BadFile", "NoteFile"]


@pytest.mark.once
def test_a_title_may_be_missing_or_too_long(tmp_path):
    files = {"a.json": KEEP | {"title": "", "textContent": "\nFirst"}, "b.json": KEEP | {"title": "x" * 201}}
    first, second = read(zipped(tmp_path / "keep.zip", files), "keep")

    assert first.title == "First"
    assert (second.title, second.metadata["title"]) == ("x" * 200, "x" * 201)


# Joplin

NOTE_ID, BOOK_ID, INNER_ID, TAG_ID = (digit * 32 for digit in "abcd")


def joplin_note(key=NOTE_ID, text="Sow\n\nPeas, see [it](:/0123).\n\nid: x: y\n", **values):
    values = {
        "parent_id": INNER_ID,
        "created_time": "2020-04-15T18:52:38.528Z",
        "updated_time": "2022-05-05T02:36:59.084Z",
        "latitude": "0.00000000",
        "author": "",
        "source_url": "https://example.com/?a: b",
        "is_todo": "1",
        "todo_due": "1602760405000",
        "user_created_time": "2020-01-01T00:00:00.000Z",
        "encryption_applied": "0",
        "markup_language": "1",
    } | values
    lines = "\n".join(f"{name}: {value}" for name, value in values.items())
    return f"{text}\n\nid: {key}\n{lines}\ntype_: 1"


JOPLIN = {
    f"{NOTE_ID}.md": joplin_note(),
    f"{INNER_ID}.md": f"Garden\n\nid: {INNER_ID}\nparent_id: {BOOK_ID}\ntype_: 2",
    f"{BOOK_ID}.md": f"Home\n\nid: {BOOK_ID}\nparent_id: {INNER_ID}\ntype_: 2",
    f"{TAG_ID}.md": f"spring\n\nid: {TAG_ID}\ntype_: 5",
    "link.md": f"id: 1\nnote_id: {NOTE_ID}\ntag_id: {TAG_ID}\ntype_: 6",
    "resources/picture.png": "png",
}


@pytest.mark.once
def test_joplin_keeps_ids_tags_dates_and_what_else_there_is(tmp_path):
    # No notebook lies around itself, but a file may say so.
    files = JOPLIN | {f"{BOOK_ID}.md": f"Home\n\nid: {BOOK_ID}\nparent_id: \ntype_: 2"}
    (note,) = read(tarred(tmp_path / "notes.jex", files), "joplin")

    assert note.uuid == uuid.UUID(NOTE_ID)
    assert (note.title, note.tags) == ("Sow", ["spring"])
    assert note.body == "Peas, see [it](:/0123).\n\nid: x: y\n"
    assert (note.created_at, note.updated_at) == (
        datetime(2020, 1, 1, tzinfo=UTC),
        datetime(2022, 5, 5, 2, 36, 59, 84000, UTC),
    )
    assert note.metadata == {
        "notebook": "Home/Garden",
        "source_url": "https://example.com/?a: b",
        "is_todo": 1,
        "todo_due": 1602760405000,
    }


@pytest.mark.once
def test_raw_is_read_as_jex_is(tmp_path):
    for name, text in JOPLIN.items():
        (tmp_path / "raw" / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / "raw" / name).write_text(text)

    assert read(tmp_path / "raw", "joplin") == read(tarred(tmp_path / "notes.jex", JOPLIN), "joplin")


@pytest.mark.once
def test_items_of_joplin_that_are_no_notes_are_named(tmp_path):
    files = {
        "plain.md": "# A note of somebody else",
        "secret.md": joplin_note(encryption_applied="1"),
        "date.md": joplin_note(user_created_time="soon"),
        "id.md": joplin_note(key="1"),
        "gone.md": joplin_note(deleted_time="1602760405000"),
        "empty.md": joplin_note(text=""),
    }
    found = read(tarred(tmp_path / "notes.jex", files), "joplin")

    assert reasons(found).keys() == {"plain.md", "secret.md", "date.md", "id.md"}
    assert [type(file) for file in found[4:-1]] == [TrashedFile]
    assert (found[-1].title, found[-1].body) == ("empty.md", "")


# Standard Notes

SN_NOTE = {
    "uuid": "1fa7d986-e8f7-4121-bcf2-7f408c85ed03",
    "content_type": "Note",
    "content": {
        "title": "To do",
        "text": "One\nTwo",
        "references": [],
        "noteType": "markdown",
        "preview_plain": "One",
        "appData": {"org.standardnotes.sn": {"client_updated_at": "2021-01-01T00:00:00.000Z", "pinned": True}},
    },
    "created_at": "2014-05-30T15:39:59.000Z",
    "updated_at": "2021-02-20T18:20:24.915Z",
}


def sn_tag(key, title, *references):
    references = [{"uuid": uuid, "content_type": kind} for uuid, kind in references]
    return {"uuid": key, "content_type": "Tag", "content": {"title": title, "references": references}}


SN = {
    "version": "004",
    "items": [
        SN_NOTE,
        sn_tag("inner", "garden", (SN_NOTE["uuid"], "Note"), ("outer", "Tag")),
        sn_tag("outer", "home"),
        {"uuid": "p", "content_type": "SN|UserPreferences", "content": {}},
        SN_NOTE | {"uuid": "t", "content": SN_NOTE["content"] | {"trashed": True}},
        SN_NOTE | {"uuid": "e", "content": "004:abc"},
        SN_NOTE | {"uuid": "n", "content": None},
        SN_NOTE | {"uuid": "\ud800"},
        SN_NOTE | {"uuid": ["u"]},
        {"content_type": "Note", "content": {}},
        7,
    ],
}


@pytest.mark.once
@pytest.mark.parametrize("is_zipped", [False, True])
def test_standard_notes_keeps_tags_flags_and_the_person_s_date(tmp_path, is_zipped):
    if is_zipped:
        files = {"Items/Note/a.txt": "One", "Standard Notes Backup and Import File.txt": SN}
        path = zipped(tmp_path / "backup.zip", files)
    else:
        path = tmp_path / "backup.txt"
        path.write_text(json.dumps(SN))
    note, trashed, *bad = read(path, "standard-notes")

    assert (note.title, note.body, note.tags) == ("To do", "One\nTwo", ["home/garden"])
    assert note.created_at == datetime(2014, 5, 30, 15, 39, 59, tzinfo=UTC)
    assert note.updated_at == datetime(2021, 1, 1, tzinfo=UTC)
    assert note.metadata == {"pinned": True, "noteType": "markdown"}
    assert trashed == TrashedFile("t")
    assert [type(file) for file in bad] == [BadFile] * 5
    assert bad[0].reason == "it is encrypted; export a decrypted backup"


@pytest.mark.once
@pytest.mark.parametrize("text", ["", "{}", '{"items": [', '{"items": [{]', '{"items": [' + "[" * 200_000, "\xff"])
def test_a_backup_that_is_broken_is_told(tmp_path, text):
    path = tmp_path / "backup.txt"
    path.write_bytes(text.encode("latin-1"))

    with pytest.raises(archives.Unreadable):
        read(path, "standard-notes")


@pytest.mark.once
def test_a_long_backup_is_read_item_by_item(tmp_path):
    path = tmp_path / "backup.txt"
    path.write_text(json.dumps({"items": [SN_NOTE | {"content": {"text": "x" * 99_000}}] * 500}))

    assert path.stat().st_size > 49_000_000
    assert peak_of(path, "standard-notes") < 20_000_000


@pytest.mark.once
def test_a_backup_has_a_limit_of_items(tmp_path, monkeypatch):
    path = tmp_path / "backup.txt"
    path.write_text(json.dumps({"items": [SN_NOTE, {}, {}]}))

    monkeypatch.setattr(arrays, "MAX_ENTRIES", 2)
    with pytest.raises(archives.Unreadable, match="more than 2 items"):
        read(path, "standard-notes")
    monkeypatch.setattr(arrays, "MAX_ENTRIES", 3)
    assert read(path, "standard-notes")


# Memos

MEMO = {
    "name": "memos/abc",
    "state": "ARCHIVED",
    "createTime": "2024-01-01T00:00:00Z",
    "updateTime": "2024-01-02T00:00:00Z",
    "content": "#sun\n\n# Lisbon\n",
    "visibility": "PRIVATE",
    "pinned": True,
    "tags": ["sun"],
    "nodes": [{"type": "PARAGRAPH"}],
}


@pytest.mark.once
@pytest.mark.parametrize("is_list", [False, True])
def test_memos_keeps_tags_dates_and_flags(tmp_path, is_list):
    path = tmp_path / "memos.json"
    memos = [MEMO, 1, {"name": "memos/x"}, MEMO | {"name": "memos/y", "content": 1}]
    path.write_text(json.dumps(memos if is_list else {"memos": memos, "nextPageToken": ""}))
    note, *bad = read(path, "memos")

    assert (note.title, note.tags, note.body) == ("Lisbon", ["sun"], MEMO["content"])
    assert (note.created_at.day, note.updated_at.day) == (1, 2)
    assert note.metadata == {"visibility": "PRIVATE", "pinned": True, "archived": True}
    assert [type(file) for file in bad] == [BadFile] * 3


COLUMNS = (
    "id INTEGER PRIMARY KEY, uid TEXT, creator_id, created_ts, updated_ts, row_status, content, visibility, payload"
)


def memos_database(path, *statements):
    with sqlite3.connect(path) as database:
        for statement in statements:
            database.execute(statement)
    database.close()
    return path


def test_the_database_of_memos_gives_the_ids_that_its_api_gives(notebook, tmp_path):
    row = (
        "INSERT INTO memo VALUES (1, 'abc', 1, 1704067200, 1704153600, 'NORMAL', 'Text', 'PUBLIC', "
        """'{"property": {"tags": ["sun"]}}')"""
    )
    bad = "INSERT INTO memo VALUES (2, 'bad', 1, 1, 1, 'NORMAL', CAST(x'ff' AS TEXT), 'PUBLIC', '{}')"
    path = memos_database(tmp_path / "memos.db", f"CREATE TABLE memo ({COLUMNS})", row, bad)
    before = path.read_bytes()

    assert run_import(path) == ({"created": 1, "failed": 1}, 1)
    note = Note.objects.get()
    assert (note.title, note.tags, note.metadata) == ("Text", ["sun"], {"creatorId": 1, "visibility": "PUBLIC"})
    (tmp_path / "memos.json").write_text(json.dumps([MEMO]))
    assert read(tmp_path / "memos.json", "memos")[0].uuid == note.uuid
    assert path.read_bytes() == before


@pytest.mark.once
@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE other (id)",
        "CREATE VIEW memo AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS id FROM n",
        "CREATE VIRTUAL TABLE memo USING fts5(content)",
    ],
)
def test_only_a_table_of_memos_is_read(tmp_path, statement):
    with pytest.raises(archives.Unreadable, match="no table"):
        read(memos_database(tmp_path / "memos.db", statement), "memos")


@pytest.mark.once
def test_a_huge_value_in_a_database_is_refused(tmp_path):
    row = "INSERT INTO memo (uid, content) VALUES ('a', zeroblob(50000000))"
    path = memos_database(tmp_path / "memos.db", f"CREATE TABLE memo ({COLUMNS})", row)

    with pytest.raises(archives.Unreadable, match="too big"):
        read(path, "memos")


# Obsidian


@pytest.mark.once
def test_obsidian_keeps_properties_aliases_folder_and_tags(tmp_path):
    text = (
        "---\ntags: [garden, '#spring']\ntag: a, b\naliases: [Pea]\ntitle: Other\nrating: 5\ncreated: 2024-05-31\n---\n"
        "#inline/tag and #2024 and a#b, `#code` [[Plan]]\n```\n#fenced\n```\n#last"
    )
    (tmp_path / "Home").mkdir()
    (tmp_path / "Home/Peas.md").write_text(text)
    (tmp_path / ".obsidian").mkdir()
    (tmp_path / ".obsidian/a.md").write_text("")
    os.utime(tmp_path / "Home/Peas.md", (1_800_000_000, 1_800_000_000))
    (note,) = read(tmp_path, "obsidian")

    assert note.title == "Peas"
    assert note.tags == ["garden", "spring", "a", "b", "inline/tag", "last"]
    assert note.body == text.partition("---\n")[2].partition("---\n")[2]
    assert note.metadata == {"folder": "Home", "aliases": ["Pea"], "title": "Other", "rating": 5}
    assert (note.created_at, note.updated_at.year) == (datetime(2024, 5, 31, tzinfo=UTC), 2027)
    (packed,) = read(zipped(tmp_path / "vault.zip", {"Home/Peas.md": text}), "obsidian")
    assert (packed.uuid, packed.tags) == (note.uuid, note.tags)


@pytest.mark.once
def test_a_bomb_of_yaml_in_a_vault_is_named(tmp_path):
    files = {"a.md": "---\na: &a [x]\nb: [*a, *a]\n---\n", "b.md": "---\na: " + "[" * 60_000 + "\n---\n"}

    assert reasons(read(zipped(tmp_path / "vault.zip", files), "obsidian")).keys() == {"a.md", "b.md"}


# Archives are untrusted


@pytest.mark.once
@pytest.mark.parametrize("name", ["../a.json", "/a.json", "b/../../a.json"])
def test_no_path_leaves_the_archive(tmp_path, name):
    assert reasons(read(zipped(tmp_path / "a.zip", {name: KEEP}), "keep")) == {
        name: "its path leads out of the archive"
    }


@pytest.mark.once
def test_no_link_is_followed(tmp_path):
    (tmp_path / "secret.md").write_text(joplin_note())
    with tarfile.open(tmp_path / "a.jex", "w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            link = tarfile.TarInfo(f"link-{kind}.md")
            link.type, link.linkname = kind, str(tmp_path / "secret.md")
            archive.addfile(link)

    assert read(tmp_path / "a.jex", "joplin") == []


@pytest.mark.once
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_files_of_one_name_or_id_the_second_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("a.json", "a.json", "Keep/a.json"):
            archive.writestr(name, json.dumps(KEEP))
    files = read(tmp_path / "a.zip", "keep")

    assert [getattr(file, "reason", "") for file in files] == [
        "",
        "there are two files of this name",
        "a.json is the same note",
    ]


@pytest.mark.once
def test_an_archive_has_a_limit_of_files_and_bytes(tmp_path, monkeypatch):
    path = zipped(tmp_path / "a.zip", {f"{number}.json": KEEP for number in range(4)})

    monkeypatch.setattr(archives, "MAX_ENTRIES", 3)
    with pytest.raises(archives.Unreadable, match="more than 3 files"):
        read(path, "keep")
    with pytest.raises(archives.Unreadable, match="more than 3 files"):
        read(tarred(tmp_path / "a.tar", dict.fromkeys("abcd", "")), "joplin")
    monkeypatch.setattr(archives, "MAX_ENTRIES", 4)
    monkeypatch.setattr(archives, "MAX_BYTES", 2 * len(json.dumps(KEEP)))
    with pytest.raises(archives.Unreadable, match="longer than"):
        read(path, "keep")


def peak_of(path, name):
    """Return the most bytes that reading took."""
    tracemalloc.start()
    try:
        for _ in formats.read(path, name):
            pass
    except archives.Unreadable:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return peak


@pytest.mark.once
def test_a_bomb_takes_little_memory(tmp_path):
    zeros = zipped(tmp_path / "zeros.zip", {"a.json": b"0" * 50_000_000})
    listed = tmp_path / "list.zip"
    with zipfile.ZipFile(listed, "w") as archive:
        for number in range(150):
            archive.writestr(f"{number:060000}.json", "")
    header = tmp_path / "header.jex"
    with tarfile.open(header, "w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "x" * 20_000_000}):
        pass
    bzip2 = tmp_path / "bzip2.zip"
    with zipfile.ZipFile(bzip2, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.json", b"0" * 50_000_000)

    peaks = [peak_of(path, "keep") for path in (zeros, listed, bzip2)] + [peak_of(header, "joplin")]

    assert max(peaks) < 10_000_000


@pytest.mark.once
def test_a_tar_of_many_files_takes_little_memory(tmp_path):
    path = tmp_path / "many.jex"
    path.write_bytes(tarfile.TarInfo("a.png").tobuf() * 15_000)

    assert peak_of(path, "joplin") < 2_000_000


@pytest.mark.once
@pytest.mark.parametrize("mode", ["w:gz", "w:xz"])
def test_a_compressed_tar_is_refused(tmp_path, mode):
    with pytest.raises(archives.Unreadable):
        read(tarred(tmp_path / "a.jex", JOPLIN, mode), "joplin")


@pytest.mark.once
def test_what_is_cut_off_is_told(tmp_path):
    path = tarred(tmp_path / "a.jex", {"a.md": joplin_note(), "b.md": joplin_note("e" * 32)})
    path.write_bytes(path.read_bytes()[:700])

    with pytest.raises(archives.Unreadable):
        read(path, "joplin")


# The command


@pytest.mark.skipif(connection.vendor != "sqlite", reason="a database that is a file")
def test_the_database_of_the_service_is_never_opened_as_an_export(notebook, tmp_path, monkeypatch):
    path = memos_database(tmp_path / "notes.db", f"CREATE TABLE memo ({COLUMNS})")
    monkeypatch.setitem(connection.settings_dict, "NAME", str(path))

    with pytest.raises(CommandError, match="is the database of this service"):
        call_command("import_notes", path)


def test_a_second_import_writes_only_what_has_changed(notebook, tmp_path):
    path = tarred(tmp_path / "notes.jex", JOPLIN | {"e.md": joplin_note("e" * 32), "bad.md": "bad"})

    assert run_import(path) == ({"created": 2, "failed": 1}, 1)
    assert run_import(path) == ({"unchanged": 2, "failed": 1}, 1)
    assert Note.objects.get(uuid=NOTE_ID).tags == ["spring"]
    tarred(path, JOPLIN | {"e.md": joplin_note("e" * 32, "Reap"), "gone.md": joplin_note("f" * 32, deleted_time="1")})
    assert run_import(path) == ({"unchanged": 1, "updated": 1, "skipped": 1}, 0)
