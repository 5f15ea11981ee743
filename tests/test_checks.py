"""The start is refused when a route has lost its lock."""

import re

import pytest
from django.core import checks as django_checks
from django.core.management import call_command
from django.db import connection
from django.http import HttpResponse
from django.urls import include, path
from rest_framework.decorators import action, api_view
from rest_framework.permissions import AllowAny, IsAuthenticatedOrReadOnly
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from notes import checks
from notes.api import urls
from notes.api.permissions import Closed, NotebookPermission, Public
from notes.api.views.notes import NoteViewSet
from notes.models import Notebook
from notes.search import index
from notesproject import urls as project_urls
from notesproject.environment import BASE_DIR, database


@pytest.fixture
def with_routes(settings):
    """Add routes to those of the project, as a maintainer would."""

    def add(*patterns):
        settings.ROOT_URLCONF = (*patterns, *project_urls.urlpatterns)

    return add


def complaints():
    return [(error.id, error.level) for error in checks.every_route_has_a_permission(None)]


E001 = ("notes.E001", django_checks.ERROR)
E002 = ("notes.E002", django_checks.ERROR)


class Unguarded(APIView):
    """Names no permission, and so has the default: Closed."""


class OpenToAll(APIView):
    permission_classes = [AllowAny]


class WithAnOpenAction(ViewSet):
    permission_classes = [NotebookPermission]

    def list(self, request):
        pass

    @action(detail=False, permission_classes=[])
    def export(self, request):
        pass


def test_every_route_of_the_project_is_guarded():
    assert complaints() == []


@pytest.mark.parametrize("permissions", [[], [Closed], [AllowAny], [IsAuthenticatedOrReadOnly], [~NotebookPermission]])
def test_a_view_that_lost_its_permission_is_an_error(monkeypatch, permissions):
    monkeypatch.setattr(NoteViewSet, "permission_classes", permissions)

    assert E001 in complaints()


def test_the_start_is_refused_with_the_view_s_name(monkeypatch):
    monkeypatch.setattr(NoteViewSet, "permission_classes", [])

    messages = [str(error) for error in django_checks.run_checks() if error.level >= django_checks.ERROR]

    assert any("NoteViewSet" in message and "api/v1/" in message for message in messages)


@pytest.mark.parametrize("view", [Unguarded, OpenToAll])
@pytest.mark.parametrize("prefix", ["api/v1/new", "new", "admin-tools/new"])
def test_a_new_view_without_a_permission_is_an_error(with_routes, view, prefix):
    with_routes(path(prefix, view.as_view()))

    assert complaints() == [E001]


def test_a_new_view_deep_inside_other_routes_is_an_error(with_routes):
    with_routes(path("a/", include([path("b/", include([path("c", OpenToAll.as_view())]))])))

    assert complaints() == [E001]


def test_an_action_that_takes_the_permission_away_is_an_error(with_routes):
    router = urls.Router()
    router.register("things", WithAnOpenAction, basename="thing")
    with_routes(path("api/v1/", include(router.urls)))

    assert complaints() == [E001]


def test_a_permission_taken_away_in_as_view_is_an_error(with_routes):
    with_routes(path("api/v1/new", NoteViewSet.as_view({"get": "list"}, permission_classes=[])))

    assert complaints() == [E001]


@pytest.mark.parametrize("name", ["get_permissions", "check_permissions"])
def test_a_view_that_overrides_its_permissions_is_an_error(monkeypatch, name):
    monkeypatch.setattr(NoteViewSet, name, lambda self, *args: [], raising=False)

    assert E001 in complaints()


def test_an_api_function_without_a_permission_is_an_error(with_routes):
    with_routes(path("api/v1/new", api_view(["GET"])(lambda request: None)))

    assert complaints() == [E001]


@pytest.mark.parametrize("name", [None, "new", "login", "index"])
def test_a_plain_django_view_is_an_error_whatever_its_name(with_routes, name):
    with_routes(path("export", lambda request: HttpResponse("all notes"), name=name))

    assert complaints() == [E002]


def test_a_view_that_says_it_is_public_is_no_error(with_routes):
    with_routes(path("new", Unguarded.as_view(permission_classes=[Public])))

    assert complaints() == []


def test_closed_denies_everybody():
    request = APIRequestFactory().get("/")

    assert Closed().has_permission(request, Unguarded()) is False
    assert Closed().has_object_permission is not None


def test_a_view_without_a_permission_answers_nobody(operator, staff, with_routes):
    with_routes(path("new", Unguarded.as_view()))

    for client in (operator, staff):
        assert client.get("/new").status_code in {401, 403}


def test_every_id_is_used_once():
    used = re.findall(r'id="(notes\.[EW]\d{3})"', (BASE_DIR / "notes" / "checks.py").read_text())

    assert used
    assert len(used) == len(set(used))


@pytest.mark.parametrize("folder", ["/tmp", "/var/tmp/notes", "/dev/shm"])
def test_a_database_in_a_temporary_folder_is_a_warning(settings, monkeypatch, folder):
    monkeypatch.setitem(settings.DATABASES, "default", database(f"sqlite:///{folder}/notes.sqlite3"))

    assert [(error.id, error.level) for error in checks.database_is_kept(None)] == [
        ("notes.W001", django_checks.WARNING)
    ]


@pytest.mark.parametrize("url", ["sqlite:////srv/tmp/notes.sqlite3", "postgres://user@host/tmp"])
def test_a_database_elsewhere_is_no_warning(settings, monkeypatch, url):
    monkeypatch.setitem(settings.DATABASES, "default", database(url))

    assert checks.database_is_kept(None) == []


@pytest.mark.parametrize(("public", "ids"), [(True, ["notes.W002"]), (False, [])])
def test_public_reads_are_a_warning_before_deployment(settings, public, ids):
    settings.NOTES_PUBLIC_READS = public

    found = django_checks.run_checks(include_deployment_checks=True)
    found_without = django_checks.run_checks()

    assert [error.id for error in found if error.id == "notes.W002"] == ids
    assert "notes.W002" not in [error.id for error in found_without]


@pytest.mark.django_db
def test_a_missing_search_index_is_told_where_databases_are_checked():
    assert "notes.E003" not in told()
    for statement in index.engine().DROP:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    assert "notes.E003" in told()
    assert "notes.E003" not in [message.id for message in django_checks.run_checks()]


def told():
    return [message.id for message in django_checks.run_checks(databases=["default"])]


def test_an_index_of_another_version_is_told_until_it_is_rebuilt(notebook, note, monkeypatch):
    assert "notes.W003" not in told()

    monkeypatch.setattr(index, "FORMAT", index.FORMAT + 1)
    assert "notes.W003" in told()
    assert "notes.W003" not in [message.id for message in django_checks.run_checks()]
    call_command("rebuild_search")

    assert "notes.W003" not in told()
    Notebook.objects.create(name="made by the new version")
    assert "notes.W003" not in told()


def test_a_rebuild_that_was_broken_off_is_told(notebook, note, monkeypatch):
    def stop(notes):
        raise KeyboardInterrupt

    with monkeypatch.context() as at_the_keyboard:
        at_the_keyboard.setattr(index, "refresh", stop)
        with pytest.raises(KeyboardInterrupt):
            call_command("rebuild_search")

    assert "notes.W003" in told()
    call_command("rebuild_search")
    assert "notes.W003" not in told()


def test_a_database_that_is_not_migrated_yet_is_not_asked_for_its_format(db):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE notes_notebook RENAME COLUMN search_format TO not_there_yet")

    assert "notes.W003" not in told()
