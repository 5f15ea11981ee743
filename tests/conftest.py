import pytest
from django.contrib.auth import get_user_model
from rest_framework.test import APIClient

from notes import search
from notes.models import ApiKey, Notebook, Writer
from tests.keys import OPERATOR_KEY


@pytest.fixture
def notebook(db):
    # A transactional test leaves the tables empty behind it, without the row that the migration made.
    notebook, was_flushed = Notebook.objects.get_or_create(name="default", defaults={"public": True})
    if was_flushed:
        search.clear()
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
def staff(notebook):
    """A member of staff, logged in with a browser."""
    user = get_user_model().objects.create_superuser("ada", password="correct horse")
    client = APIClient()
    client.force_login(user)
    return client


@pytest.fixture
def by():
    return Writer(id="test", name="a test")


@pytest.fixture
def note(notebook, by):
    with notebook.locked():
        return notebook.create_note(by, title="Plan", body="One\nTwo\n", tags=["work"])


def client_with_key(key):
    client = APIClient()
    client.credentials(HTTP_X_API_KEY=key)
    return client


def make_key(notebook, level="write", **columns):
    """Return (ApiKey, its text)."""
    maker = Writer(id="test", name="a test")
    return ApiKey.make(maker, **{"notebook": notebook, "level": level, "name": f"{level} key", **columns})
