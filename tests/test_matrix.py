"""Who may do what: everybody tries every route with every method, against a table written by hand."""

import json
from datetime import timedelta
from itertools import product

import pytest
from django.contrib.admindocs.views import simplify_regex
from django.contrib.auth import get_user_model
from django.db import transaction
from django.urls import get_resolver
from django.utils import timezone
from rest_framework.test import APIClient

from notes import keys
from notes.checks import routes
from notes.models import Notebook
from tests.keys import OPERATOR_KEY
from tests.people import make_key, make_staff
from tests.writing import create_note, trash

pytestmark = pytest.mark.once

METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]

# 200/401: 200 while strangers may read the default notebook, 401 otherwise.
#
# wrong     a malformed, an unknown, an expired and a revoked key
# foreign   an admin key of another notebook, with the ids of the first
# staff     a member of staff in a browser, with the CSRF token
# no CSRF   the same without the token
# user      somebody with an account but not of staff, or a member of staff without permissions; with the token
# viewer    a member of staff who may only view notes, with the token
TABLE = """
                        no key   wrong  read  write  admin  foreign  operator  staff  no CSRF    user   viewer

/api/v1/notes
  GET HEAD OPTIONS      200/401   401   200    200    200     200      200      200     200   200/403    200
  POST                    401     401   403    201    201     201      201      201     403     403      403
  PUT PATCH DELETE        401     401   403    405    405     405      405      405     403     403      403

/api/v1/notes/{id}
  GET HEAD              200/401   401   200    200    200     404      200      200     200   200/403    200
  OPTIONS               200/401   401   200    200    200     200      200      200     200   200/403    200
  POST                    401     401   403    405    405     405      405      405     403     403      403
  PUT PATCH               401     401   403    200    200     404      200      200     403     403      403
  DELETE                  401     401   403    204    204     404      204      204     403     403      403

/api/v1/notes/{id}.md
  GET HEAD              200/401   401   200    200    200     404      200      200     200   200/403    200
  OPTIONS               200/401   401   200    200    200     200      200      200     200   200/403    200
  POST PUT PATCH DELETE   401     401   403    405    405     405      405      405     403     403      403

/api/v1/notes/{id}/restore
/api/v1/notes/{id}/append
/api/v1/notes/{id}/prepend
/api/v1/notes/{id}/replace
  GET HEAD              405/401   401   405    405    405     405      405      405     405   405/403    405
  OPTIONS               200/401   401   200    200    200     200      200      200     200   200/403    200
  POST                    401     401   403    200    200     404      200      200     403     403      403
  PUT PATCH DELETE        401     401   403    405    405     405      405      405     403     403      403

/api/v1/notes/{id}/revisions
/api/v1/notes/{id}/revisions/{number}
  GET HEAD                401     401   200    200    200     404      200      200     200     403      200
  OPTIONS                 401     401   200    200    200     200      200      200     200     403      200
  POST PUT PATCH DELETE   401     401   403    405    405     405      405      405     403     403      403

/api/v1/notes/{id}/revisions/{number}/restore
  GET HEAD                401     401   405    405    405     405      405      405     405     403      405
  OPTIONS                 401     401   200    200    200     200      200      200     200     403      200
  POST                    401     401   403    200    200     404      200      200     403     403      403
  PUT PATCH DELETE        401     401   403    405    405     405      405      405     403     403      403

/api/v1/trash
  GET HEAD OPTIONS        401     401   200    200    200     200      200      200     200     403      200
  POST PUT PATCH          401     401   403    405    405     405      405      405     403     403      403
  DELETE                  401     401   403    403    405     405      405      403     403     403      403

/api/v1/trash/{id}
  GET HEAD                401     401   405    405    405     405      405      405     405     403      405
  OPTIONS                 401     401   200    200    200     200      200      200     200     403      200
  POST PUT PATCH          401     401   403    405    405     405      405      405     403     403      403
  DELETE                  401     401   403    403    204     404      204      403     403     403      403

/api/v1/tags
/api/v1/changes
  GET HEAD OPTIONS      200/401   401   200    200    200     200      200      200     200   200/403    200
  POST PUT PATCH DELETE   401     401   403    405    405     405      405      405     403     403      403

/api/v1/tags/rename
  GET HEAD              405/401   401   405    405    405     405      405      405     405   405/403    405
  OPTIONS               200/401   401   200    200    200     200      200      200     200   200/403    200
  POST                    401     401   403    200    200     404      200      200     403     403      403
  PUT PATCH DELETE        401     401   403    405    405     405      405      405     403     403      403

/api/v1/batch
  GET HEAD              405/401   401   405    405    405     405      405      405     405   405/403    405
  OPTIONS               200/401   401   200    200    200     200      200      200     200   200/403    200
  POST                    401     401   403    200    200     200      200      200     403     403      403
  PUT PATCH DELETE        401     401   403    405    405     405      405      405     403     403      403

/api/v1/me
  GET HEAD OPTIONS      200/401   401   200    200    200     200      200      200     200   200/403    200
  POST PUT PATCH DELETE   401     401   403    405    405     405      405      405     403     403      403

/api/v1/keys
  GET HEAD OPTIONS        401     401   403    403    200     200      200      403     403     403      403
  POST                    401     401   403    403    201     201      201      403     403     403      403
  PUT PATCH               401     401   403    405    405     405      405      405     403     403      403
  DELETE                  401     401   403    403    405     405      405      403     403     403      403

/api/v1/export
  GET HEAD OPTIONS        401     401   403    403    200     200      200      403     403     403      403
  POST PUT PATCH DELETE   401     401   403    405    405     405      405      405     403     403      403

/api/v1/keys/{id}
  GET HEAD                401     401   403    403    405     405      405      403     403     403      403
  OPTIONS                 401     401   403    403    200     200      200      403     403     403      403
  POST                    401     401   403    403    405     405      405      403     403     403      403
  PUT PATCH               401     401   403    405    405     405      405      405     403     403      403
  DELETE                  401     401   403    403    204     404      204      403     403     403      403

/api
/api/v1
/api/schema
  GET HEAD OPTIONS        200     200   200    200    200     200      200      200     200     200      200
  POST PUT PATCH DELETE   405     405   405    405    405     405      405      405     405     405      405

/api/docs
  GET HEAD                200     200   200    200    200     200      200      200     200     200      200
  OPTIONS                 405     405   405    405    405     405      405      405     405     405      405
  POST PUT PATCH DELETE   405     405   405    405    405     405      405      405     405     405      405

/api/nothing-here
  GET HEAD OPTIONS        404     404   404    404    404     404      404      404     404     404      404
  POST PUT PATCH DELETE   404     404   404    404    404     404      404      404     404     404      404

/
  GET HEAD OPTIONS        200     200   200    200    200     200      200      200     200     200      200
  POST PUT PATCH DELETE   403     403   403    403    403     403      403      405     403     405      405

/docs/{name}
  GET HEAD OPTIONS        200     200   200    200    200     200      200      200     200     200      200
  POST PUT PATCH DELETE   403     403   403    403    403     403      403      405     403     405      405

/healthz
/readyz
  GET HEAD                200     200   200    200    200     200      200      200     200     200      200
  OPTIONS                 405     405   405    405    405     405      405      405     405     405      405
  POST PUT PATCH DELETE   403     403   403    403    403     403      403      405     403     405      405

/metrics
  GET HEAD                401     401   403    403    200     200      200      401     401     401      401
  OPTIONS                 401     401   403    403    405     405      405      401     401     401      401
  POST PUT PATCH DELETE   401     401   403    405    405     405      405      401     401     401      401

/login/
  GET HEAD OPTIONS        200     200   200    200    200     200      200      200     200     200      200
  POST PUT                403     403   403    403    403     403      403      200     403     200      200
  PATCH DELETE            403     403   403    403    403     403      403      405     403     405      405

/logout/
  GET HEAD                405     405   405    405    405     405      405      405     405     405      405
  OPTIONS                 200     200   200    200    200     200      200      200     200     200      200
  POST                    403     403   403    403    403     403      403      200     403     200      200
  PUT PATCH DELETE        403     403   403    403    403     403      403      405     403     405      405
"""

BODIES = {
    ("POST", "/api/v1/notes"): {"title": "x"},
    ("PUT", "/api/v1/notes/{id}"): {"title": "x"},
    ("PATCH", "/api/v1/notes/{id}"): {"title": "x"},
    ("POST", "/api/v1/notes/{id}/append"): {"text": "x"},
    ("POST", "/api/v1/notes/{id}/prepend"): {"text": "x"},
    ("POST", "/api/v1/notes/{id}/replace"): {"find": "Two", "replace": "x"},
    ("POST", "/api/v1/batch"): {"operations": [{"op": "create", "title": "x"}]},
    ("POST", "/api/v1/tags/rename"): {"tag": "work", "name": "x"},
    ("POST", "/api/v1/keys"): {"name": "x", "level": "read"},
}


def table():
    """Return {(path, method): {column: the status, or a pair of them, public and private}}."""
    header, *blocks = TABLE.strip("\n").split("\n\n")
    columns = [column.strip() for column in header.split("  ") if column.strip()]
    expected = {}
    for block in blocks:
        lines = block.splitlines()
        paths = [line for line in lines if line.startswith("/")]
        for line in lines[len(paths) :]:
            words = line.split()
            methods, statuses = words[: -len(columns)], words[-len(columns) :]
            for path in paths:
                for method in methods:
                    assert (path, method) not in expected, f"{method} {path} stands twice"
                    expected[path, method] = dict(zip(columns, statuses, strict=True))
    return expected


EXPECTED = table()
PATHS = {path: None for path, _ in EXPECTED}


def routed():
    """Return the path of every route outside the admin, as the table writes it."""
    found = set()
    for route, _ in routes(get_resolver().url_patterns):
        path = (
            simplify_regex(route)
            .replace("\\.", ".")
            .replace("<", "{")
            .replace(">", "}")
            .replace("{var}", "/nothing-here")
        )
        found.add(path.rstrip("/") if path.startswith("/api/") else path)
    return found


def test_every_route_has_a_row_for_every_method():
    assert routed() == PATHS.keys()
    assert EXPECTED.keys() == {(path, method) for path in PATHS for method in METHODS}


def test_a_route_that_is_new_would_be_missed(monkeypatch):
    from django.urls import path as route

    resolver = get_resolver()
    monkeypatch.setattr(resolver, "url_patterns", [*resolver.url_patterns, route("api/v1/new", lambda request: None)])

    with pytest.raises(AssertionError):
        test_every_route_has_a_row_for_every_method()


@pytest.fixture
def people(notebook):
    """{name: (column, client)}. The clients are held to CSRF, as a browser is."""
    before = timezone.now() - timedelta(days=1)
    other = Notebook.objects.create(name="other")
    used = {"last_used_at": timezone.now()}
    texts = {
        "malformed": ("wrong", "notes_something"),
        "unknown": ("wrong", keys.generate()),
        "expired": ("wrong", make_key(notebook, "admin", expires_at=before)[1]),
        "revoked": ("wrong", make_key(notebook, "admin", revoked_at=before)[1]),
        "read": ("read", make_key(notebook, "read", **used)[1]),
        "write": ("write", make_key(notebook, "write", **used)[1]),
        "admin": ("admin", make_key(notebook, "admin", **used)[1]),
        "foreign": ("foreign", make_key(other, "admin", **used)[1]),
        "operator": ("operator", OPERATOR_KEY),
    }
    people = {"no key": ("no key", APIClient(enforce_csrf_checks=True))}
    for name, (column, text) in texts.items():
        people[name] = column, APIClient(enforce_csrf_checks=True)
        people[name][1].credentials(HTTP_X_API_KEY=text)
    users = [
        ("staff", "staff", make_staff("staff")),
        ("no CSRF", "no CSRF", make_staff("no CSRF")),
        ("viewer", "viewer", make_staff("viewer", "view_note")),
        ("staff without permissions", "user", make_staff("staff without permissions", "view_apikey")),
        ("user", "user", get_user_model().objects.create_user("user")),
    ]
    for name, column, user in users:
        people[name] = column, APIClient(enforce_csrf_checks=True)
        people[name][1].force_login(user)
        if name != "no CSRF":
            people[name][1].get("/login/")
            people[name][1].credentials(HTTP_X_CSRFTOKEN=people[name][1].cookies["csrftoken"].value)
    return people


# NOTES_PUBLIC_READS, Notebook.public, and who tries. Only strangers notice the second way to close a notebook.
STRANGERS = ["no key", "user", "staff without permissions"]
PUBLICITY = [(True, True, None), (False, True, None), (True, False, STRANGERS)]


@pytest.mark.parametrize("path", PATHS)
def test_everybody_gets_what_the_table_says(people, notebook, note, by, settings, path):
    trashed = create_note(notebook, by, title="Trashed")
    trash(trashed, by)
    key, _ = make_key(notebook)
    id = {"/api/v1/trash/{id}": trashed.uuid, "/api/v1/keys/{id}": key.pk}.get(path, note.uuid)
    expected, got = {}, {}

    for settings.NOTES_PUBLIC_READS, notebook.public, names in PUBLICITY:
        notebook.save(update_fields=["public"])
        is_public = settings.NOTES_PUBLIC_READS and notebook.public
        for method, name in product(METHODS, names or people):
            column, client = people[name]
            case = (method, name, settings.NOTES_PUBLIC_READS, notebook.public)
            cell = EXPECTED[path, method][column].split("/")
            expected[case] = int(cell[0] if is_public else cell[-1])
            got[case] = status_and_undo(
                client, method, path.format(id=id, number=1, name="api"), BODIES.get((method, path), {})
            )

    assert got == expected


def status_and_undo(client, method, address, fields):
    """Return the status of the answer. Neither a write nor a log out lasts."""
    cookies = client.cookies.copy()
    with transaction.atomic():
        response = client.generic(method, address, json.dumps(fields), "application/json")
        # An answer from a file closes it once it is read.
        response.getvalue()
        transaction.set_rollback(True)
    client.cookies = cookies
    return response.status_code


@pytest.mark.parametrize("name", ["foreign", "read", "wrong", "no key"])
def test_the_admin_knows_no_api_keys(people, name):
    client = people["unknown" if name == "wrong" else name][1]

    assert client.get("/admin/")["Location"].startswith("/admin/login/")
