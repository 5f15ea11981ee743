"""System checks. Their ids are never reused."""

import tempfile
from pathlib import Path

from django.conf import settings
from django.core import checks
from django.db import connection
from django.urls import URLPattern, get_resolver
from rest_framework.views import APIView

from notes import databases
from notes.api.permissions import NotebookPermission, Public
from notes.models import Notebook
from notes.search import index

# Routes that need not be an API view. None of them shows a stranger anything of a notebook.
OPEN_BY_NATURE = {
    "": "the start page",
    "docs/<name>": "the pages of the folder docs",
    "healthz": "the process is up",
    "readyz": "the service can work",
    "login/": "the form",
    "logout/": "ends a session",
}


@checks.register(checks.Tags.security)
def every_route_has_a_permission(app_configs, **kwargs):
    """Refuse a route that is neither an API view with a permission of ours nor listed in OPEN_BY_NATURE."""
    errors = []
    for route, pattern in routes(get_resolver().url_patterns):
        view = getattr(pattern.callback, "cls", None)
        if view is None:
            if route not in OPEN_BY_NATURE:
                errors.append(
                    checks.Error(
                        f"The route {route!r} is not an API view, so that no permission guards it.",
                        hint="Make it a view of Django REST Framework with a permission class.",
                        id="notes.E002",
                    )
                )
            continue
        permission_classes = pattern.callback.initkwargs.get("permission_classes", view.permission_classes)
        if not guarded(permission_classes) or overrides_permissions(view):
            errors.append(
                checks.Error(
                    f"The view {view.__name__} at {route!r} has no permission.",
                    hint="Give it permission_classes = [NotebookPermission], or [Public] if it shows no notes.",
                    id="notes.E001",
                )
            )
    return errors


def guarded(permission_classes):
    return any(
        isinstance(permission, type) and issubclass(permission, (NotebookPermission, Public))
        for permission in permission_classes
    )


def overrides_permissions(view):
    """Tell whether the view overrides the methods that apply its permission_classes."""
    return any(getattr(view, name) is not getattr(APIView, name) for name in ("get_permissions", "check_permissions"))


def routes(patterns, prefix=""):
    """Yield (route, URLPattern) for every route outside the admin, which has its own login."""
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield route, pattern
        elif pattern.app_name != "admin":
            yield from routes(pattern.url_patterns, route)


@checks.register(checks.Tags.database)
def database_is_kept(app_configs, **kwargs):
    path = databases.file_of(settings.DATABASES["default"])
    if path and any(path.is_relative_to(folder) for folder in temporary_folders()):
        return [
            checks.Warning(
                f"The database {path} lies in a folder for temporary files: the notes are gone after a restart.",
                hint="Set DATABASE_URL to a file elsewhere.",
                id="notes.W001",
            )
        ]
    return []


def temporary_folders():
    return {Path(folder).resolve() for folder in ("/tmp", "/var/tmp", "/dev/shm", tempfile.gettempdir())}


@checks.register(checks.Tags.database)
def search_index_is_there(app_configs, databases=None, **kwargs):
    """Looks at migrated databases only. It runs where databases are checked: `migrate`, `check --database default`."""
    if not databases or "notes_note" not in connection.introspection.table_names() or index.is_there():
        return []
    return [
        checks.Error(
            "The search index is missing: notes cannot be written, nor searched.",
            hint="Run manage.py rebuild_search.",
            id="notes.E003",
        )
    ]


@checks.register(checks.Tags.database)
def search_index_is_of_this_code(app_configs, databases=None, **kwargs):
    """Only a warning, so that `migrate` goes on: rebuild_search needs its tables and can run beside the service."""
    if not databases or not has_column("notes_notebook", "search_format"):
        return []
    names = ", ".join(Notebook.objects.wrongly_indexed().values_list("name", flat=True)[:10])
    if not names:
        return []
    return [
        checks.Warning(
            f"The search index was made by another version, or is not finished: searches miss notes of {names}.",
            hint="Run manage.py rebuild_search, unless it is running.",
            id="notes.W003",
        )
    ]


def has_column(table, name):
    with connection.cursor() as cursor:
        if table not in connection.introspection.table_names(cursor):
            return False
        return name in {column.name for column in connection.introspection.get_table_description(cursor, table)}


@checks.register(checks.Tags.security, deploy=True)
def public_reads_are_meant(app_configs, **kwargs):
    if not settings.NOTES_PUBLIC_READS:
        return []
    return [
        checks.Warning(
            "NOTES_PUBLIC_READS is True: anybody can read the notes of the default notebook.",
            hint="Set NOTES_PUBLIC_READS=False unless that is what you want.",
            id="notes.W002",
        )
    ]
