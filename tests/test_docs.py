"""README.md and the pages agree with the code: what they name exists, their examples run, and they read easily."""

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
DESIGN = (BASE_DIR / "docs/design.md").read_text()
# tests/test_runbook.py runs its commands.
RUNBOOK = (BASE_DIR / "docs/operation.md").read_text()
PATHS = [*(BASE_DIR / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")), *BASE_DIR.glob("docs/*.md")]
PAGES = {path.relative_to(BASE_DIR).as_posix(): path.read_text() for path in sorted(PATHS)}
EVERYTHING = "\n".join(PAGES.values())

FENCE = re.compile(r"^```.*?^```", flags=re.DOTALL | re.MULTILINE)
BLOCKS = re.findall(r"^```sh\n(.*?)^```", EVERYTHING, flags=re.DOTALL | re.MULTILINE)
QUOTED = re.findall(r"`([^`\n]+)`", FENCE.sub("", EVERYTHING))
COMMAND = r"(?:manage\.py|^notes|bin/notes) ([a-z].*?)(?=$|[`;]|  +#| && | > )"
COMMANDS = sorted(set(re.findall(COMMAND, EVERYTHING, flags=re.MULTILINE)))
LINKS = [
    (page, target) for page, text in PAGES.items() for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", text))
]

# Made by the first start.
MADE = {".env", "notes.sqlite3", "notes.sqlite3-wal", "notes.sqlite3-shm", ".venv/bin/python", ".venv/bin/pip"}
# No rooms of their own.
NO_ROOMS = {"notes/__init__.py", "notes/apps.py", "notes/migrations"}
# A setting of Django's, and a header as a WSGI server sees it.
NO_VARIABLES = {"ATOMIC_REQUESTS", "X_API"}

ENDINGS = ("/", ".py", ".md", ".txt", ".toml", ".yaml", ".example", ".sqlite3", ".sqlite3-wal", ".sqlite3-shm")
MAX_README_LINES = 80
MAX_PICTURE_BYTES = 150_000
MAX_WORDS = 30


def named_in(text):
    """Yield the names of files and folders; in a table a bare name is beside the one before it."""
    for line in text.splitlines():
        folder = BASE_DIR
        for name in re.findall(r"`([\w.][\w./-]*)`", line):
            if name.endswith(ENDINGS):
                path = BASE_DIR / name if "/" in name else folder / name
                folder = path.parent
                yield path.relative_to(BASE_DIR).as_posix()


def used_in_examples():
    for word in shlex.split("\n".join(BLOCKS), comments=True):
        if re.fullmatch(r"\.env[.\w]*|[\w./]+\.(txt|py)|\.venv/bin/(python|pip)", word):
            yield word


@pytest.mark.parametrize("name", sorted({*named_in(EVERYTHING), *used_in_examples()} - MADE))
def test_every_file_is_there(name):
    assert (BASE_DIR / name).exists()


def anchors(text):
    """Return the anchors that the code host makes of the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("page", "target"), LINKS)
def test_every_link_leads_somewhere(page, target):
    if target.startswith("https://"):
        return
    name, _, anchor = target.partition("#")
    path = (BASE_DIR / page).parent / name if name else BASE_DIR / page
    assert path.exists()
    assert not anchor or anchor in anchors(path.read_text())


def test_every_page_is_linked_from_the_readme():
    linked = {target.partition("#")[0] for page, target in LINKS if page == "README.md"}

    assert set(PAGES) - {"README.md"} <= linked


def test_the_pictures_are_small():
    pictures = list((BASE_DIR / "docs/pictures").glob("*.png"))

    assert pictures
    assert all(picture.stat().st_size < MAX_PICTURE_BYTES for picture in pictures)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_of_manage_py_takes_the_words_it_is_shown_with(line):
    name, *words = shlex.split(line)
    command = load_command_class(get_commands()[name], name)

    # A sentence may use the name alone for the command.
    if words:
        command.create_parser("manage.py", name).parse_args(words)


def test_every_command_of_ours_is_shown():
    ours = {name for name, app in get_commands().items() if app == "notes"}

    assert ours <= {line.split()[0] for line in COMMANDS}


def test_every_make_target_is_there():
    targets = set(re.findall(r"^(\w+):", (BASE_DIR / "Makefile").read_text(), flags=re.MULTILINE))

    named = set(re.findall(r"(?:^|`)make (\w+)", EVERYTHING, flags=re.MULTILINE))

    assert named >= {"run", "test", "serve", "prove", "lint", "lock"}
    assert named <= targets


def test_every_module_that_is_run_is_there():
    named = re.findall(r"python -m ([\w.]+)", EVERYTHING)

    assert "notesproject.dotenv" in named
    assert all(find_spec(name) for name in named)


def test_every_environment_variable_is_a_setting():
    named = {name for text in QUOTED for name in re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b|\bDEBUG\b", text)}

    assert named - NO_VARIABLES <= set(ENVIRONMENT)


@pytest.mark.parametrize(
    "address", sorted({text for text in QUOTED if re.match(r"([A-Z]+ )?/(api|admin|healthz|readyz)", text)})
)
def test_every_address_leads_somewhere(address):
    path = re.sub(r"^[A-Z]+ |\?.*$", "", address)

    # An address under /api/ without a route leads to a 404 in the one error body.
    assert resolve(re.sub(r"{\w+}", "1", path)).url_name != "api-not-found"


@pytest.mark.prove
@pytest.mark.once
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("block", [block for block in BLOCKS if "curl " in block and block not in RUNBOOK])
def test_the_examples_with_curl_run(block, transactional_db, notebook, tmp_path):
    (tmp_path / ".env").write_text(f"SECRET_KEY=x\nAPI_KEY={OPERATOR_KEY}\n")
    with serving() as server:
        script = block.replace("http://127.0.0.1:8000", server.url).replace("curl ", "curl --fail --silent ")
        # The README says that one may send it all again.
        run = subprocess.run(["sh", "-euc", script + script], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stderr
    if block in README:
        # Each time: the answer to the first request, a hit and a change.
        assert run.stdout.count('"body":"My first note"') == 6
        assert list(Note.objects.values_list("title", flat=True)) == ["Hello"]


def test_every_room_is_in_the_design():
    folder = BASE_DIR / "notes"
    rooms = {*folder.glob("*.py"), *(path.parent for path in folder.glob("*/__init__.py"))}
    rooms = {path.relative_to(BASE_DIR).as_posix() for path in rooms} - NO_ROOMS

    assert rooms <= set(named_in(DESIGN.partition("## The rooms")[2]))


# How it reads


def test_the_readme_is_short():
    assert len(README.splitlines()) <= MAX_README_LINES


def sentences(text):
    """Yield the sentences of a page's paragraphs, items and cells. A piece of quoted code counts as one word."""
    text = re.sub(r"`[^`\n]+`", "code", FENCE.sub("\n\n", text))
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    for block in re.split(r"\n\s*\n|\n(?=\s*(?:[*-]|\d+\.) )|\||\n(?=#)", text):
        yield from re.split(r"(?<=[.?!])[*)\"]*\s", " ".join(block.split()))


@pytest.mark.parametrize("page", PAGES)
def test_no_sentence_is_long(page):
    assert [sentence for sentence in sentences(PAGES[page]) if len(sentence.split()) > MAX_WORDS] == []


def test_the_hours_reading_is_as_long_as_it_says():
    order = re.findall(r"^\| `([\w./]+)` \| (\d+) \|", DESIGN, flags=re.MULTILINE)

    assert len(order) == 6
    for name, stated in order:
        lines = len((BASE_DIR / name).read_text().splitlines())
        assert abs(lines - int(stated)) <= max(10, lines // 10), f"{name} has {lines} lines"
    assert sum(int(stated) for name, stated in order if name.endswith(".py")) <= 1_100
