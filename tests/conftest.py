import io
import logging

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from notes.door import Door
from notes.models import Notebook, Writer
from notes.search import index
from tests.keys import OPERATOR_KEY
from tests.people import client_with_key
from tests.problems import check_problem

if connection.vendor == "postgresql":
    truncate = connection.ops.sql_flush

    def delete_rows(style, tables, *, reset_sequences=False, **options):
        """Empty the tables after a transactional test. TRUNCATE makes new files for each table: slow for few rows."""
        if reset_sequences:
            return truncate(style, tables, reset_sequences=True, **options)
        # Any order will do: foreign keys are checked when the transaction ends.
        return [f"DELETE FROM {connection.ops.quote_name(table)}" for table in tables]

    connection.ops.sql_flush = delete_rows


def pytest_collection_modifyitems(items):
    if connection.vendor != "sqlite":
        for item in items:
            if item.get_closest_marker("once"):
                item.add_marker(pytest.mark.skip(reason="no database has a part in it: the run on SQLite has tried it"))


@pytest.fixture(autouse=True)
def every_error_is_in_the_table(monkeypatch):
    """Check the answers of every test for codes that are not in the table and for undocumented statuses."""
    send = Client.request

    def request(self, **environ):
        response = send(self, **environ)
        check_problem(response)
        return response

    monkeypatch.setattr(Client, "request", request)


@pytest.fixture
def notebook(db):
    # A transactional test empties the tables, and with them the row that the migration made.
    notebook, was_flushed = Notebook.objects.get_or_create(name="default", defaults={"public": True})
    if was_flushed:
        index.clear()
    return notebook


@pytest.fixture
def stranger(notebook):
    """Somebody without a key."""
    return APIClient()


@pytest.fixture
def operator(notebook):
    """A program with the API_KEY of the environment."""
    return client_with_key(OPERATOR_KEY)


@pytest.fixture
def user(db):
    """A member of staff who may do everything."""
    return get_user_model().objects.create_superuser("ada", password="correct horse")


@pytest.fixture
def browser(notebook, user):
    """The browser of that member of staff, for the pages of the admin."""
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def staff(notebook, user):
    """That member of staff, logged in, for the API."""
    client = APIClient()
    client.force_login(user)
    return client


@pytest.fixture
def by():
    return Writer(id="test", name="a test")


@pytest.fixture
def note(notebook, by):
    with Door(notebook, by) as door:
        return door.create(title="Plan", body="One\nTwo\n", tags=["work"])


@pytest.fixture
def log_lines():
    """The lines that the service writes to standard error, as the operator sees them."""
    handler = next(handler for handler in logging.getLogger().handlers if handler.get_name() == "stderr")
    written = io.StringIO()
    before = handler.setStream(written)
    yield written
    handler.setStream(before)
