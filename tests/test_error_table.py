"""The table of codes: docs/errors.md shows it, and no error bears a code that is not in it.

The answers of all other tests are checked against it too: see `every_error_is_in_the_table` in conftest.py.
"""

import ast

import pytest

from notes.api import operations
from notes.api.codes import CODES, FIELD_CODES
from notes.api.problems import Problem, RefusedKey
from notes.api.schema import ERRORS
from notesproject.environment import BASE_DIR

pytestmark = pytest.mark.once

PAGE = (BASE_DIR / "docs" / "errors.md").read_text().splitlines()


def subclasses(error):
    for subclass in error.__subclasses__():
        yield from (subclass, *subclasses(subclass))


def test_the_page_shows_every_code_with_its_status_when_and_what_to_do():
    shown = [line for line in PAGE if line.startswith("| 4") or line.startswith("| 5")]

    assert shown == [f"| {code.status} | `{name}` | {code.when} | {code.what_to_do} |" for name, code in CODES.items()]


def test_the_page_shows_every_code_of_a_field():
    shown = [line for line in PAGE if line.startswith("| `")]

    assert shown == [f"| `{name}` | {meaning} |" for name, meaning in FIELD_CODES.items()]


def test_every_error_of_ours_has_a_code_of_the_table():
    ours = [error for error in subclasses(Problem) if error is not RefusedKey]

    assert len(ours) > 20
    assert {error.default_code for error in ours} <= set(CODES)


def test_every_code_in_the_source_of_the_api_is_in_a_table():
    written = {
        node.value.value
        for path in (BASE_DIR / "notes" / "api").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.keyword) and node.arg == "code" and isinstance(node.value, ast.Constant)
    }

    assert {"unknown_field", "query_parameter"} <= written
    assert written <= set(CODES) | set(FIELD_CODES)


def test_every_status_has_a_name_in_the_document():
    # A 405 is answered where there is no operation.
    assert {code.status for code in CODES.values()} - {405} == set(ERRORS)


def test_every_operation_of_a_batch_names_what_it_may_raise():
    for name, write in operations.BATCH.items():
        assert write.operation.raises <= set(subclasses(Problem)), name
        assert write.operation.raises, name
