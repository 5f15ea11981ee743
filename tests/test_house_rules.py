"""The rules of the house that a reader relies on. These tests read the code to hold them."""

import ast
import re

import pytest

from notesproject.environment import BASE_DIR

pytestmark = pytest.mark.once

NOTES = BASE_DIR / "notes"
MODULES = sorted(path for path in NOTES.rglob("*.py") if "migrations" not in path.parts)
NAMES = [str(path.relative_to(BASE_DIR)) for path in MODULES]

# Imports run from left to right, never back.
FLOORS = [
    ["notes.templatetags"],
    ["notes.api", "notes.admin", "notes.pages", "notes.logins", "notes.management", "notes.checks", "notes.apps"],
    [
        "notes.activity",
        "notes.exporting",
        "notes.formats",
        "notes.importing",
        "notes.transfer",
        "notes.markdown",
        "notes.verification",
        "notes.renames",
        "notes.readiness",
        "notes.backups",
    ],
    ["notes.database_file"],
    ["notes.door"],
    ["notes.models"],
    ["notes.querysets"],
    [
        "notes.search",
        "notes.keys",
        "notes.content",
        "notes.request_id",
        "notes.logs",
        "notes.diffs",
        "notes.safe_html",
        "notes.words",
        "notes.commits",
        "notes.databases",
        "notes.prepared",
    ],
    ["notes.turns"],
]
# The admin answers requests too: Django's own admin cannot be written without django.http.
MAY_SPEAK_HTTP = ("notes.templatetags", "notes.api", "notes.admin", "notes.pages", "notes.logins")


def module_name(path):
    return ".".join(path.relative_to(BASE_DIR).with_suffix("").parts).removesuffix(".__init__")


def tree_of(path):
    return ast.parse(path.read_text(), filename=str(path))


def imports(path):
    """Yield the dotted name of everything that a module imports, wherever in it."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def calls(path):
    """Yield (method name, source) of every call of a method."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr, ast.unparse(node)


def within(name, package):
    return name == package or name.startswith(f"{package}.")


def floor_of(name):
    """Return the number of the floor that a module lives on, or None if the module is not ours."""
    return next(
        (number for number, floor in enumerate(FLOORS) for package in floor if within(name, package)),
        None,
    )


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_imports_run_one_way(path):
    here = floor_of(module_name(path))
    if path.name == "__init__.py":
        return

    assert here is not None, "a new module: give it a floor"
    for imported in imports(path):
        there = floor_of(imported)
        assert there is None or there >= here, f"{path.name} imports {imported}"


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_only_the_api_and_the_admin_speak_http(path):
    if any(within(module_name(path), package) for package in MAY_SPEAK_HTTP):
        return

    # The check of the routes must name the permissions it looks for.
    known = ["notes.api.permissions", "rest_framework.views"] if path.name == "checks.py" else []
    for imported in imports(path):
        spoken = any(within(imported, package) for package in ("rest_framework", "django.http", "notes.api"))
        assert not spoken or any(within(imported, module) for module in known), imported


def test_the_floor_below_the_models_knows_no_database():
    for name in ("keys", "content", "request_id", "logs"):
        spoken = [imported for imported in imports(NOTES / f"{name}.py") if within(imported, "django")]
        # The limit of a body is a setting.
        assert spoken == (["django.conf.settings"] if name == "content" else [])


def test_no_module_is_a_drawer_for_everything():
    drawers = {"utils", "util", "helpers", "helper", "common", "base", "misc", "services", "lib", "signals"}

    assert not [name for name in NAMES if drawers & set(re.split(r"[/.]", name))]


@pytest.mark.parametrize(("name", "lines"), [("models.py", 500), ("api/views/notes.py", 300)])
def test_a_module_is_split_before_it_is_too_long(name, lines):
    assert len((NOTES / name).read_text().splitlines()) <= lines


def test_every_module_but_the_empty_says_what_lives_there():
    silent = [
        name
        for name, path in zip(NAMES, MODULES, strict=True)
        if path.read_text() and not ast.get_docstring(tree_of(path)) and "management" not in name
    ]

    # The framework's own name says it all here.
    assert sorted(silent) == ["notes/api/urls.py", "notes/apps.py"]


# One door


def writes_outside_the_door():
    """Yield (module, source) of every call that writes rows and stands outside door.py."""
    methods = {"save", "update", "delete", "create", "bulk_create", "bulk_update", "get_or_create", "update_or_create"}
    methods |= {"raw", "executemany"}
    for name, path in zip(NAMES, MODULES, strict=True):
        if name != "notes/door.py":
            written = ((name, source) for method, source in calls(path) if method in methods)
            yield from (write for write in written if not write[1].startswith("door."))


# The calls that write outside the door and touch no note. Each line is a decision: read them before adding one.
KNOWN_WRITES = {
    # The index's entry for a notebook.
    "notes/querysets.py": r"self\.update\(search_format=",
    # Keys, which are written by their own verbs.
    "notes/models.py": r"(cls|ApiKey)\.objects\.(create|filter)\(",
    # The index, which is made from the notes, and the count of tags. The door itself writes both.
    "notes/search/sqlite.py": r"cursor\.executemany\(",
    "notes/search/postgresql.py": r"cursor\.executemany\(",
    "notes/api/schema.py": r"schemas\[.*\.update\(",
    # The renames of tags and their progress. The door writes the notes themselves.
    "notes/api/operations.py": r"door\.notebook\.tag_renames\.create\(",
    "notes/renames.py": r"(rename\.save\(update_fields=rename\.PROGRESS\)|rename\.notebook\.tags\.filter\()",
    "notes/api/retries.py": r"NEW_RECEIPT\.create\(",
    # The names of a notebook and of a key, which are columns of their own.
    "notes/admin/notebooks.py": r"obj\.save\(update_fields=form\.changed_data if change else None\)",
    "notes/admin/keys.py": r"obj\.save\(update_fields=\['name'\]\)",
    # What is known of the backups that were written, and progress bars.
    "notes/backups/__init__.py": (
        r"Backup\.objects\.(filter\(path=path\)\.delete\(\)|create\(|filter\(sha256=sha256\)\.update\(verified_at=)"
        r"|backup\.delete\(\)"
    ),
    "notes/verification.py": r"sha256\.update\(",
    # A log that comes from elsewhere, into an empty notebook: numbers, dates and writers are its own.
    "notes/transfer.py": (
        r"(sha256\.update\(|Notebook\.objects\.filter\(pk=notebook\.pk\)\.update\(revision=header\.revision, epoch="
        r"|(Note|Revision)\.objects\.bulk_create\()"
    ),
    "notes/management/commands/export_notebook.py": r"bar\.update\(",
    "notes/backups/sqlite.py": r"bar\.update\(",
    "notes/backups/postgresql.py": r"bar\.update\(",
    "notes/management/commands/create_notebook.py": r"Notebook\.objects\.get_or_create\(name=name\)",
    "notes/management/commands/rebuild_search.py": r"bar\.update\(",
    "notes/management/commands/import_notes.py": r"(bar|counts|left_out)\.update\(",
    "notes/management/commands/prune_revisions.py": (
        r"(Receipt\.objects\.filter\(written_at__lt=before\)|TagRename\.objects\.filter\(finished_at__lt=before\))\.delete"
    ),
    "notes/management/commands/renew_epoch.py": r"Notebook\.objects\.filter\(pk=notebook\.pk\)\.update\(epoch=",
}


def test_no_note_is_written_outside_the_door():
    unknown = [
        (name, source)
        for name, source in writes_outside_the_door()
        if not re.match(KNOWN_WRITES.get(name, "$^"), source)
    ]

    assert unknown == []


def test_no_save_is_overridden_and_no_signal_is_used():
    for path in MODULES:
        assert not [name for name in imports(path) if "signals" in name], path
    overridden = {node.name for node in ast.walk(tree_of(NOTES / "models.py")) if isinstance(node, ast.FunctionDef)} & {
        "save",
        "delete",
        "get_queryset",
    }
    assert overridden == set()


def test_no_view_catches_everything():
    for path in (NOTES / "api").rglob("*.py"):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ExceptHandler):
                assert node.type is not None, path
                # A server reports a broken body with classes of its own.
                is_known = path.name == "bodies.py"
                assert ast.unparse(node.type) not in {"Exception", "BaseException"} or is_known, path
