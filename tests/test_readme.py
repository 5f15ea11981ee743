"""README.md, held to the code: what it names is there, and its examples run."""

import re
import shlex
import shutil
import subprocess
from importlib.util import find_spec

import pytest
from django.core.management import get_commands, load_command_class
from django.urls import resolve

from notes.models import Note
from notesproject.environment import BASE_DIR, ENVIRONMENT
from tests.keys import OPERATOR_KEY
from tests.server import serving

README = (BASE_DIR / "README.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
QUOTED = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", README, flags=re.DOTALL | re.MULTILINE))
COMMANDS = sorted(set(re.findall(r"manage\.py ([a-z].*?)(?=$|[`;]|  +#| && )", README, flags=re.MULTILINE)))
# Made by the first start.
MADE = {".env", "notes.sqlite3", "notes.sqlite3-wal", "notes.sqlite3-shm", ".venv/bin/python", ".venv/bin/pip"}


def named_files():
    """Yield the names of files and folders; in a table a bare name is beside the one before it."""
    for line in README.splitlines():
        folder = BASE_DIR
        for name in re.findall(r"`([\w.][\w./-]*)`", line):
            if name.endswith(("/", ".py", ".yaml", ".example", ".sqlite3", ".sqlite3-wal", ".sqlite3-shm")):
                path = BASE_DIR / name if "/" in name else folder / name
                folder = path.parent
                yield path.relative_to(BASE_DIR).as_posix()
    for word in shlex.split("\n".join(BLOCKS), comments=True):
        if re.fullmatch(r"\.env[.\w]*|[\w./]+\.(txt|py)|\.venv/bin/\w+", word):
            yield word


@pytest.mark.parametrize("name", sorted(set(named_files()) - MADE))
def test_every_file_is_there(name):
    assert (BASE_DIR / name).exists()


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_of_manage_py_takes_the_words_it_is_shown_with(line):
    name, *words = shlex.split(line)
    command = load_command_class(get_commands()[name], name)

    # In a sentence the name alone may stand for the command.
    if words:
        command.create_parser("manage.py", name).parse_args(words)


def test_every_make_target_is_there():
    targets = set(re.findall(r"^(\w+):", (BASE_DIR / "Makefile").read_text(), flags=re.MULTILINE))

    named = set(re.findall(r"(?:^|`)make (\w+)", README, flags=re.MULTILINE))

    assert named >= {"run", "test", "serve", "prove"}
    assert named <= targets


def test_every_module_that_is_run_is_there():
    named = re.findall(r"python -m ([\w.]+)", README)

    assert "notesproject.dotenv" in named
    assert all(find_spec(name) for name in named)


def test_every_environment_variable_is_a_setting():
    named = {name for text in QUOTED for name in re.findall(r"\b[A-Z]+(?:_[A-Z]+)+_?(?=\b|…)|\bDEBUG\b", text)}
    unfinished = {name for name in named if name.endswith("_")}

    assert named - unfinished <= set(ENVIRONMENT)
    assert all(any(setting.startswith(start) for setting in ENVIRONMENT) for start in unfinished)


@pytest.mark.parametrize(
    "address", sorted({text for text in QUOTED if re.match(r"([A-Z]+ )?/(api|admin|healthz|readyz)", text)})
)
def test_every_address_leads_somewhere(address):
    path = re.sub(r"^[A-Z]+ |\?.*$", "", address)

    resolve(re.sub(r"{\w+}", "1", path))


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("block", [block for block in BLOCKS if "curl " in block])
def test_the_examples_with_curl_run(block, transactional_db, notebook, tmp_path):
    (tmp_path / ".env").write_text(f"SECRET_KEY=x\nAPI_KEY={OPERATOR_KEY}\n")
    with serving() as server:
        script = block.replace("http://127.0.0.1:8000", server.url).replace("curl ", "curl --fail --silent ")
        run = subprocess.run(["sh", "-euc", script], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stderr
    assert run.stdout.count('"body":"My first note"') == 2  # The answer to the first command, and in the list.
    assert list(Note.objects.values_list("title", flat=True)) == ["Hello"]
