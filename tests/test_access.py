"""Who gets in: every route without a key, every kind of wrong key, and people with a session."""

import hmac

import pytest
from django.contrib.admindocs.views import simplify_regex
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.urls import get_resolver, reverse
from rest_framework.test import APIClient

from notes.api.permissions import Public
from notes.checks import OPEN_BY_NATURE, routes
from notes.models import Note, Revision
from tests.keys import OPERATOR_KEY
from tests.people import client_with_key, make_key, make_staff
from tests.problems import fields_of

NOTES = "/api/v1/notes"
READS = ["GET", "HEAD", "OPTIONS"]
WRITES = ["POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "ANYTHING"]


def paths():
    """Return {path: whether it is open to everybody} for every route outside the admin, with example values in it."""
    examples = {
        "<id>": "0190f1c2-7a3b-7c4d-8e5f-001122334455",
        "<number>": "1",
        "<name>": "api",
        "<var>": "/nothing-here",
    }
    found = {}
    for route, pattern in routes(get_resolver().url_patterns):
        path = simplify_regex(route).replace("\\.", ".")
        for name, value in examples.items():
            path = path.replace(name, value)
        assert "<" not in path, f"Give {route} an example value."
        view = getattr(pattern.callback, "cls", None)
        found[path] = Public in view.permission_classes if view else route in OPEN_BY_NATURE
    return found


PATHS = paths()
OPEN = [path for path, is_open in PATHS.items() if is_open]
GUARDED = [path for path, is_open in PATHS.items() if not is_open]


@pytest.fixture
def passer_by(notebook):
    """Somebody without a key, whose forms are held to CSRF as a browser's are."""
    return APIClient(enforce_csrf_checks=True)


@pytest.fixture
def browser(notebook):
    """A browser in which nobody has logged in yet, held to CSRF."""
    return APIClient(enforce_csrf_checks=True)


@pytest.fixture
def ada(db):
    """A member of staff who may do everything with notes."""
    return make_staff("ada", password="correct horse")


@pytest.fixture
def user(db):
    """Somebody with an account who is not a member of staff."""
    return get_user_model().objects.create_user("bob", password="battery staple")


def test_the_walk_finds_the_routes_of_notes_and_the_open_ones():
    assert {"/api/v1/notes/", "/api/v1/notes/0190f1c2-7a3b-7c4d-8e5f-001122334455/", "/api/v1/me/"} <= set(GUARDED)
    assert {"/", "/healthz", "/readyz", "/api/schema/", "/api/docs/", "/api/nothing-here"} <= set(OPEN)


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("path", GUARDED)
def test_no_write_gets_in_without_a_key(passer_by, path, method):
    response = passer_by.generic(method, path, "{}", content_type="application/json")

    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("ApiKey ")
    assert response.json()["code"] == "not_authenticated"


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("path", OPEN)
def test_an_open_route_takes_no_write(passer_by, path, method):
    response = passer_by.generic(method, path, "{}", content_type="application/json")

    assert response.status_code in {401, 403, 404, 405}


@pytest.mark.parametrize("method", READS)
@pytest.mark.parametrize("path", GUARDED)
def test_no_read_gets_into_a_private_notebook_without_a_key(passer_by, settings, path, method):
    settings.NOTES_PUBLIC_READS = False

    response = passer_by.generic(method, path)

    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("ApiKey ")


@pytest.mark.parametrize("path", OPEN)
def test_an_open_route_stays_open_beside_a_private_notebook(passer_by, settings, path):
    settings.NOTES_PUBLIC_READS = False

    response = passer_by.get(path)

    assert response.status_code not in {401, 403}
    assert response.status_code < 500


def test_anybody_reads_a_public_notebook(passer_by, note):
    assert passer_by.get(NOTES).status_code == 200
    assert passer_by.get(f"{NOTES}/{note.uuid}").json()["title"] == "Plan"


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_a_header_does_not_turn_a_read_into_a_write(passer_by, note, header):
    passer_by.get(f"{NOTES}/{note.uuid}?_method=DELETE", headers={header: "DELETE"})

    assert Note.objects.live().filter(pk=note.pk).exists()


WRONG_KEYS = {
    "empty": "",
    "a space": " ",
    "a tab": "\t",
    "another": "another-key-of-some-length",
    "last character differs": OPERATOR_KEY[:-1] + "X",
    "last character missing": OPERATOR_KEY[:-1],
    "one character more": OPERATOR_KEY + "x",
    "a space behind": OPERATOR_KEY + " ",
    "upper case": OPERATOR_KEY.upper(),
    "twice": f"{OPERATOR_KEY}, {OPERATOR_KEY}",
    "Latin-1": "schl\xfcssel",
    "UTF-8 as WSGI hands it over": "ключ".encode().decode("latin-1"),
    "beyond Latin-1": "ключ",
    "NUL": OPERATOR_KEY + "\x00",
    "very long": "x" * 100_000,
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("header", [{"X-API-Key": "{}"}, {"Authorization": "Bearer {}"}], ids=str)
@pytest.mark.parametrize("key", WRONG_KEYS.values(), ids=WRONG_KEYS)
def test_a_wrong_key_is_a_401_even_where_none_is_needed(stranger, key, header, method):
    headers = {name: value.format(key) for name, value in header.items()}

    response = stranger.generic(method, NOTES, '{"title": "x"}', content_type="application/json", headers=headers)

    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("ApiKey ")
    assert response.json()["code"] in {"wrong_key", "malformed_key"}
    assert not Note.objects.exists()


def test_an_answer_to_a_wrong_key_does_not_repeat_it(notebook):
    response = client_with_key("some-secret-of-another-service").get(NOTES)

    assert "some-secret-of-another-service" not in response.content.decode() + str(response.headers)


def test_keys_are_compared_by_digests_of_one_length_in_constant_time(operator, monkeypatch):
    compared = []

    def compare(one, other):
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)

    response = operator.get(f"{NOTES}?limit=1")

    assert response.status_code == 200
    [(one, other)] = compared
    assert len(one) == len(other) >= 32
    assert OPERATOR_KEY not in (one, other)


@pytest.mark.parametrize("text", ["Bearer {}", "bearer {}", "BEARER   {}", "Bearer\t{}"])
def test_a_key_opens_as_a_bearer_too(passer_by, notebook, text):
    for key, level in [(OPERATOR_KEY, "admin"), (make_key(notebook, "write")[1], "write")]:
        headers = {"Authorization": text.format(key)}

        assert passer_by.get("/api/v1/me", headers=headers).json()["level"] == level
        assert passer_by.post(NOTES, {"title": "x"}, headers=headers).status_code == 201
        assert passer_by.get("/api/v1/me", headers={**headers, "X-API-Key": key}).json()["level"] == level


@pytest.mark.parametrize("text", ["Bearer", "Bearer ", "bearer\t", "Bearer a b", "Bearer x,y"])
def test_a_malformed_bearer_is_a_401(passer_by, notebook, text):
    response = passer_by.get(NOTES, headers={"Authorization": text})

    assert (response.status_code, response.json()["code"]) == (401, "malformed_key")
    assert response["WWW-Authenticate"] == 'ApiKey realm="notes", header="X-API-Key", Bearer realm="notes"'


@pytest.mark.parametrize("keys", [("right", "wrong"), ("wrong", "right"), ("right", "other"), ("", "right")])
def test_two_different_keys_are_a_400_that_names_the_header(passer_by, notebook, keys):
    texts = {"right": OPERATOR_KEY, "wrong": "wrong", "other": make_key(notebook, "admin")[1], "": ""}
    own, bearer = (texts[key] for key in keys)

    response = passer_by.post(NOTES, {"title": "x"}, headers={"X-API-Key": own, "Authorization": f"Bearer {bearer}"})

    assert fields_of(response) == ["Authorization"]
    assert not Note.objects.exists()
    assert not any(text and text in response.content.decode() for text in texts.values() if text != "wrong")


def test_the_login_of_a_proxy_in_front_is_no_key(operator):
    assert operator.get("/api/v1/me", headers={"Authorization": "Basic YWRhOng="}).json()["level"] == "admin"


@pytest.mark.parametrize("parameter", ["X-API-Key", "x_api_key", "api_key", "key", "token"])
def test_a_key_in_the_address_does_not_count(passer_by, parameter):
    response = passer_by.post(f"{NOTES}?{parameter}={OPERATOR_KEY}", {"title": "x"})

    assert response.status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": OPERATOR_KEY},
        {"Authorization": f"Basic {OPERATOR_KEY}"},
        {"Authorization": f"Bearer{OPERATOR_KEY}"},
        {"Authorization": f"Bearer, {OPERATOR_KEY}"},
        {"Authorization": f"ApiKey {OPERATOR_KEY}"},
        {"Authorization": f"Api-Key {OPERATOR_KEY}"},
        {"Cookie": f"X-API-Key={OPERATOR_KEY}"},
        {"API-Key": OPERATOR_KEY},
        {"X-API-Token": OPERATOR_KEY},
        {"X-Forwarded-X-API-Key": OPERATOR_KEY},
    ],
    ids=str,
)
def test_a_key_in_another_header_does_not_count(passer_by, headers):
    response = passer_by.post(NOTES, {"title": "x"}, headers=headers)

    assert response.status_code == 401


def test_a_staff_name_and_password_in_a_header_open_nothing(passer_by, ada):
    # Each guess at a password would cost half a second of processor time and be counted nowhere.
    response = passer_by.post(NOTES, {"title": "x"}, headers={"Authorization": "Basic YWRhOmNvcnJlY3QgaG9yc2U="})

    assert response.status_code == 401


def test_staff_with_a_session_and_a_csrf_token_write(browser, ada):
    browser.force_login(ada)
    token = csrf_token(browser)

    response = browser.post(NOTES, {"title": "x"}, headers={"X-CSRFToken": token})

    assert response.status_code == 201
    assert Revision.objects.get().writer == f"staff:{ada.pk}"


@pytest.mark.parametrize("token", [None, "", "x" * 32, "x" * 64])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_staff_without_the_csrf_token_is_a_403(browser, ada, note, method, token):
    browser.force_login(ada)
    csrf_token(browser)
    headers = {} if token is None else {"X-CSRFToken": token}
    path = NOTES if method == "POST" else f"{NOTES}/{note.uuid}"

    response = browser.generic(method, path, '{"title": "x"}', content_type="application/json", headers=headers)

    assert response.status_code == 403
    assert response.json()["code"] == "permission_denied"
    assert Revision.objects.count() == 1


def test_a_user_not_of_staff_reads_what_strangers_read_and_writes_nothing(browser, user, note):
    browser.force_login(user)
    token = csrf_token(browser)

    read = browser.get(f"{NOTES}/{note.uuid}")
    write = browser.patch(f"{NOTES}/{note.uuid}", {"title": "x"}, headers={"X-CSRFToken": token})

    assert read.status_code == 200
    assert write.status_code == 403
    assert Note.objects.get().title == "Plan"


def test_a_user_who_is_no_staff_does_not_read_a_private_notebook(browser, user, note, settings):
    settings.NOTES_PUBLIC_READS = False
    browser.force_login(user)

    assert browser.get(NOTES).status_code == 403
    assert browser.get(f"{NOTES}/{note.uuid}").status_code == 403


def test_staff_read_a_private_notebook(browser, ada, note, settings):
    settings.NOTES_PUBLIC_READS = False
    browser.force_login(ada)

    assert browser.get(f"{NOTES}/{note.uuid}").status_code == 200


@pytest.mark.parametrize(
    ("permissions", "level", "statuses"),
    [
        (["view_note"], "read", (200, 403, 403)),
        (["change_note"], "read", (200, 403, 403)),
        (["view_note", "add_note", "change_note"], "read", (200, 403, 403)),
        (["add_note", "delete_note"], "public", (403, 403, 403)),
        (["view_apikey"], "public", (403, 403, 403)),
        (["add_note", "change_note", "delete_note"], "write", (200, 201, 204)),
    ],
)
def test_staff_may_do_here_what_they_may_do_in_the_admin(browser, note, permissions, level, statuses):
    browser.force_login(make_staff("bob", *permissions))
    headers = {"X-CSRFToken": csrf_token(browser)}

    me = browser.get("/api/v1/me").json()
    trash = browser.get("/api/v1/trash").status_code
    created = browser.post(NOTES, {"title": "x"}, headers=headers).status_code
    deleted = browser.delete(f"{NOTES}/{note.uuid}", headers=headers).status_code

    assert me["level"] == level
    assert (trash, created, deleted) == statuses


def test_permissions_of_a_group_count_too(browser, note):
    bob = make_staff("bob", "view_apikey")
    readers = Group.objects.create(name="readers")
    readers.permissions.add(Permission.objects.get(codename="view_note"))
    bob.groups.add(readers)
    browser.force_login(bob)

    assert browser.get("/api/v1/me").json()["level"] == "read"


def test_staff_without_permissions_do_not_read_a_private_notebook(browser, note, settings):
    settings.NOTES_PUBLIC_READS = False
    browser.force_login(make_staff("bob", "view_apikey"))

    assert browser.get(f"{NOTES}/{note.uuid}").status_code == 403


def test_a_member_of_staff_who_was_dismissed_is_a_stranger_again(browser, ada):
    browser.force_login(ada)
    token = csrf_token(browser)
    ada.is_active = False
    ada.save()

    response = browser.post(NOTES, {"title": "x"}, headers={"X-CSRFToken": token})

    assert response.status_code == 401


def test_a_key_beside_the_session_of_an_admin_is_not_asked_for_a_csrf_token(browser, ada):
    browser.force_login(ada)

    response = browser.post(NOTES, {"title": "x"}, headers={"X-API-Key": OPERATOR_KEY})

    assert response.status_code == 201
    assert Revision.objects.get().writer == "operator"


def test_a_wrong_key_beside_the_session_of_an_admin_is_a_401(browser, ada):
    browser.force_login(ada)
    token = csrf_token(browser)

    response = browser.post(NOTES, {"title": "x"}, headers={"X-API-Key": "wrong", "X-CSRFToken": token})

    assert response.status_code == 401


def test_a_stranger_is_sent_from_the_admin_to_its_login(passer_by):
    response = passer_by.get(reverse("admin:index"))

    assert response.status_code == 302
    assert response["Location"].startswith(reverse("admin:login"))


def csrf_token(browser):
    """Open a page as a browser does, and return the token of the cookie that came with it."""
    browser.get(NOTES, headers={"Accept": "text/html"})
    return browser.cookies["csrftoken"].value
