"""The script of docs/api.md that loads many notes runs as it stands there, and may run again."""

import os
import re
import subprocess
import sys

import pytest

from notes import transfer
from notes.models import Note, Notebook
from notes.verification import problems
from notesproject.environment import BASE_DIR
from tests.people import make_key
from tests.server import serving
from tests.writing import create_note, create_notes, edit, trash

pytestmark = pytest.mark.once

[SCRIPT] = re.findall(r"^```python\n(.*?)^```", (BASE_DIR / "docs/api.md").read_text(), flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def copy(transactional_db, notebook):
    return Notebook.objects.create(name="copy")


def contents(notes):
    return list(notes.order_by("title").values("uuid", "title", "body", "tags", "metadata", "created_at", "updated_at"))


@pytest.mark.prove
def test_an_export_and_a_folder_are_loaded_and_once_only(notebook, copy, by, tmp_path):
    create_notes(notebook, by, [{"title": f"Note {number:03}", "tags": ["a"]} for number in range(120)])
    edit(notebook.notes.first(), by, body="Zwölf 🎉\r\n\u2028", metadata={"z": 1.5, "a": ["b"]})
    trash(create_note(notebook, by, title="Trashed"), by)
    long = create_note(notebook, by, title="Too long", body="x" * 100_000)
    Note.objects.filter(pk=long.pk).update(body="x" * 100_001)
    long.revisions.update(body="x" * 100_001)
    export, folder = tmp_path / "notes.ndjson", tmp_path / "folder"
    export.write_bytes(b"".join(transfer.lines(notebook)))
    (folder / "below").mkdir(parents=True)
    (folder / "Zettel.md").write_bytes("Straße\r\n".encode())
    (folder / "below" / "Plan.md").write_text("# Plan\n")
    _, key = make_key(copy)
    (tmp_path / "load.py").write_text(SCRIPT)

    def load(path):
        command = [sys.executable, "load.py", server.url, path]
        run = subprocess.run(
            command, cwd=tmp_path, env=os.environ | {"KEY": key}, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stderr
        copy.refresh_from_db()
        return copy.revision, run.stderr

    with serving() as server:
        first, again = load(export), load(export)
        of_folder, of_folder_again = load(folder), load(folder)

    assert first[0] == again[0] == 120
    assert all(re.fullmatch(r"Too long: .*at most 100000 characters.*\n", said) for _, said in (first, again))
    assert of_folder == of_folder_again == (122, "")
    assert contents(copy.notes.filter(tags=["a"])) == contents(notebook.notes.filter(tags=["a"]))
    assert set(copy.notes.filter(tags=[]).values_list("title", "body")) == {
        ("Plan", "# Plan\n"),
        ("Zettel", "Straße\r\n"),
    }
    assert list(problems(copy)) == []
