"""API keys: which ones open, and what a key may make. Using one costs next to nothing."""

import json
import re
import time
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notes import keys
from notes.models import ApiKey, Note, Notebook, Revision
from tests.people import client_with_key, make_key
from tests.problems import fields_of, problem_of

NOTES = "/api/v1/notes"
KEYS = "/api/v1/keys"
ME = "/api/v1/me"
LATER = "2999-01-31T00:00:00Z"


@pytest.fixture
def other(notebook):
    return Notebook.objects.create(name="other")


def client(notebook, level="write", **columns):
    return client_with_key(make_key(notebook, level, **columns)[1])


def set_clock(monkeypatch, moment):
    monkeypatch.setattr("django.utils.timezone.now", lambda: moment)


# The text of a key


def test_a_key_is_a_prefix_and_letters_that_a_scanner_can_match():
    made = {keys.generate() for _ in range(1000)}

    assert len(made) == 1000
    assert all(re.fullmatch(r"notes_[0-9A-Za-z]{38}", text) for text in made)
    assert all(keys.is_well_formed(text) for text in made)


def test_a_mistyped_key_is_told_by_its_checksum():
    text = keys.generate()
    mistyped = {text[:i] + ("a" if text[i] != "a" else "b") + text[i + 1 :] for i in range(len(text))}
    swapped = {text[:i] + text[i + 1] + text[i] + text[i + 2 :] for i in range(len(text) - 1)} - {text}

    assert not any(keys.is_well_formed(wrong) for wrong in mistyped | swapped)
    for wrong in ["", "notes_", text[:-1], text + "0", text.upper(), text[6:], " " + text, text + "\n", "x" * 100_000]:
        assert not keys.is_well_formed(wrong)


def test_only_a_digest_is_stored(notebook):
    key, text = make_key(notebook)

    [row] = ApiKey.objects.filter(pk=key.pk).values()
    assert text not in str(row)
    assert text.removeprefix("notes_") not in str(row)
    assert row["digest"] == keys.digest(text)


# What opens


def test_a_key_opens_its_own_notebook(notebook, other):
    response = client(other).post(NOTES, {"title": "Plan"})

    assert response.status_code == 201
    assert Note.objects.get().notebook == other


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("malformed", "malformed_key"),
        ("wrong", "wrong_key"),
        ("revoked", "revoked_key"),
        ("expired", "expired_key"),
        ("revoked and expired", "revoked_key"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_key_that_does_not_open_is_a_401_that_says_why(notebook, kind, code, method):
    long_ago = timezone.now() - timedelta(days=1)
    text = {
        "malformed": keys.generate()[:-1] + "-",
        "wrong": keys.generate(),
        "revoked": make_key(notebook, revoked_at=long_ago)[1],
        "expired": make_key(notebook, expires_at=long_ago)[1],
        "revoked and expired": make_key(notebook, revoked_at=long_ago, expires_at=long_ago)[1],
    }[kind]

    response = client_with_key(text).generic(method, NOTES, '{"title": "x"}', content_type="application/json")

    assert problem_of(response, 401)["code"] == code
    assert response["WWW-Authenticate"] == 'ApiKey realm="notes", header="X-API-Key", Bearer realm="notes"'
    assert not Note.objects.exists()


def test_no_key_is_a_401_that_names_the_headers(stranger):
    response = stranger.post(NOTES, {"title": "x"})

    detail = problem_of(response, 401)["detail"]
    assert "X-API-Key" in detail
    assert "Authorization: Bearer" in detail
    assert response["WWW-Authenticate"].startswith("ApiKey ")


def test_a_mistyped_key_costs_no_query(notebook, django_assert_num_queries):
    with django_assert_num_queries(0):
        client_with_key(keys.generate() + "x").get(NOTES)


def test_a_key_costs_one_query_with_its_notebook(notebook, django_assert_num_queries):
    phone = client(notebook, last_used_at=timezone.now())

    with django_assert_num_queries(1):
        assert phone.get(ME).status_code == 200


def test_an_api_key_of_the_environment_may_be_any_text(notebook, settings):
    settings.API_KEY = "schlüssel-für-наши-заметки"

    # A WSGI server hands over the bytes of a header as Latin-1.
    assert client_with_key(settings.API_KEY.encode().decode("latin-1")).get(ME).json()["level"] == "admin"
    assert client_with_key("\xff\xfe" * 10).get(ME).status_code == 401


def test_another_secret_key_of_the_service_invalidates_no_key(notebook, settings):
    phone = client(notebook)

    settings.SECRET_KEY = "quite another secret key"

    assert phone.post(NOTES, {"title": "Plan"}).status_code == 201


def test_a_key_expires_at_the_exact_moment(notebook, monkeypatch):
    end = datetime(2999, 1, 31, 12, tzinfo=UTC)
    phone = client(notebook, expires_at=end)

    set_clock(monkeypatch, end - timedelta(microseconds=1))
    before = phone.get(ME).status_code
    set_clock(monkeypatch, end)
    at = phone.get(ME).status_code

    assert (before, at) == (200, 401)


# Levels


@pytest.mark.parametrize(
    ("level", "method", "path", "needed"),
    [
        ("read", "POST", NOTES, "write"),
        ("read", "GET", KEYS, "admin"),
        ("write", "GET", KEYS, "admin"),
        ("write", "POST", KEYS, "admin"),
        ("write", "DELETE", f"/api/v1/trash/{uuid.UUID(int=7)}", "admin"),
        ("read", "DELETE", f"/api/v1/keys/{uuid.UUID(int=7)}", "admin"),
    ],
)
def test_a_key_of_too_low_a_level_is_a_403_that_names_the_level(notebook, level, method, path, needed):
    response = client(notebook, level).generic(method, path, "{}", content_type="application/json")

    problem = problem_of(response, 403)
    assert problem["code"] == "permission_denied"
    assert problem["detail"] == f"This needs the level {needed}; yours is {level}."


def test_me_tells_a_key_what_it_is(other, notebook, operator, staff, stranger):
    end = datetime(2999, 1, 31, tzinfo=UTC)
    phone = client(other, "read", name="phone", expires_at=end)

    theirs = {"notebook": "other", "epoch": str(other.epoch)}
    ours = {"notebook": "default", "epoch": str(notebook.epoch), "expires_at": None}
    assert phone.get(ME).json() == {"name": "phone", "level": "read", **theirs, "expires_at": LATER}
    assert operator.get(ME).json() == {"name": "API_KEY", "level": "admin", **ours}
    assert staff.get(ME).json() == {"name": "ada", "level": "admin", **ours}
    assert stranger.get(ME).json() == {"name": None, "level": "public", **ours}


# When it was last used


def test_the_last_use_is_stored_at_most_once_a_minute(notebook, monkeypatch):
    key, text = make_key(notebook)
    start = timezone.now()
    stored = []

    for seconds in [0, 1, 59, 60, 61, 119, 120]:
        set_clock(monkeypatch, start + timedelta(seconds=seconds))
        client_with_key(text).get(ME)
        stored.append((ApiKey.objects.get(pk=key.pk).last_used_at - start).seconds)

    assert stored == [0, 0, 0, 60, 60, 60, 120]


def test_one_of_two_simultaneous_requests_stores_the_use(notebook):
    key, _ = make_key(notebook)
    one, two = ApiKey.objects.get(pk=key.pk), ApiKey.objects.get(pk=key.pk)

    one.record_use()
    stored = ApiKey.objects.get(pk=key.pk).last_used_at
    two.record_use()

    assert stored is not None
    assert ApiKey.objects.get(pk=key.pk).last_used_at == stored


def test_a_use_recorded_by_a_clock_that_ran_ahead_is_corrected(notebook):
    key, text = make_key(notebook, last_used_at=timezone.now() + timedelta(days=365))

    client_with_key(text).get(ME)

    assert ApiKey.objects.get(pk=key.pk).last_used_at <= timezone.now()


@contextmanager
def somebody_elses_lock(key):
    """Hold, on a second connection, the lock that recording the use has to wait for."""
    second = connection.copy()
    try:
        with second.cursor() as cursor:
            cursor.execute("BEGIN IMMEDIATE" if connection.vendor == "sqlite" else "BEGIN")
            # Django adapts the key's UUID to each database.
            cursor.execute("UPDATE notes_apikey SET name = 'locked' WHERE digest = %s", [key.digest])
            yield
            cursor.execute("ROLLBACK")
    finally:
        second.close()


@contextmanager
def read_only(key):
    setting = {"sqlite": "PRAGMA query_only = {}", "postgresql": "SET default_transaction_read_only = {}"}
    with connection.cursor() as cursor:
        cursor.execute(setting[connection.vendor].format("on"))
        try:
            yield
        finally:
            cursor.execute(setting[connection.vendor].format("off"))


def wait_for_locks():
    """Return how long a statement of this connection waits for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout" if connection.vendor == "sqlite" else "SHOW lock_timeout")
        return cursor.fetchone()[0]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("trouble", [somebody_elses_lock, read_only])
def test_a_request_neither_fails_nor_waits_when_its_use_cannot_be_stored(notebook, trouble):
    key, text = make_key(notebook)
    usual = wait_for_locks()

    with trouble(key):
        started = time.monotonic()
        response = client_with_key(text).get(NOTES)
        seconds = time.monotonic() - started

    assert response.status_code == 200
    assert seconds < 2  # The connection's own patience is 5 seconds.
    assert ApiKey.objects.get(pk=key.pk).last_used_at is None
    assert wait_for_locks() == usual
    assert usual == (5_000 if connection.vendor == "sqlite" else "5s")


@pytest.mark.django_db(transaction=True)
def test_the_patience_with_locks_is_restored_after_a_use_was_stored(notebook):
    key, text = make_key(notebook)

    client_with_key(text).get(NOTES)

    assert ApiKey.objects.get(pk=key.pk).last_used_at is not None
    assert wait_for_locks() == (5_000 if connection.vendor == "sqlite" else "5s")


# The trail


def test_deleting_a_key_or_a_user_loses_no_trail(notebook, operator, staff):
    key, text = make_key(notebook, name="phone")
    client_with_key(text).post(NOTES, {"title": "by the phone"})
    staff.post(NOTES, {"title": "by ada"})
    user = get_user_model().objects.get(username="ada")
    expected = [(f"key:{key.pk}", "phone"), (f"staff:{user.pk}", "ada")]

    key.delete()
    user.delete()

    assert list(Revision.objects.order_by("number").values_list("writer", "writer_name")) == expected
    note = Note.objects.get(title="by the phone")
    [row] = operator.get(f"{NOTES}/{note.uuid}/revisions").json()["results"]
    assert (row["writer"], row["writer_name"]) == expected[0]


def test_the_log_keeps_the_name_that_the_key_had(notebook):
    _, text = make_key(notebook, name="phone")
    client_with_key(text).post(NOTES, {"title": "Plan"})

    ApiKey.objects.update(name="tablet")

    assert Revision.objects.get().writer_name == "phone"


# Keys over the API


def test_a_new_key_is_shown_in_the_201_and_never_again(other):
    admin = client(other, "admin", name="laptop")

    response = admin.post(KEYS, {"name": "phone", "level": "read", "expires_at": LATER})

    assert response.status_code == 201
    made = response.json()
    assert made.keys() == {
        "id", "name", "level", "created_at", "created_by", "expires_at", "last_used_at", "key"
    }  # fmt: skip
    assert (made["name"], made["level"], made["expires_at"]) == ("phone", "read", LATER)
    assert (made["created_by"], made["last_used_at"]) == ("laptop", None)
    assert "no-store" in response["Cache-Control"]
    phone = client_with_key(made["key"])
    assert phone.get(ME).json()["notebook"] == "other"
    for shown in [admin.get(KEYS), phone.get(ME), admin.get(ME)]:
        assert "key" not in shown.json()
        assert made["key"] not in shown.content.decode()
    assert all("key" not in row and "digest" not in row for row in admin.get(KEYS).json()["results"])


def test_the_list_holds_the_keys_of_the_notebook_newest_first_without_the_revoked(notebook, other):
    old, text = make_key(notebook, "admin", name="old")
    make_key(notebook, name="revoked", revoked_at=timezone.now())
    make_key(notebook, name="expired", expires_at=timezone.now())
    make_key(other, name="foreign")
    make_key(notebook, name="new")

    rows = client_with_key(text).get(KEYS).json()["results"]

    assert [row["name"] for row in rows] == ["new", "expired", "old"]
    assert rows[-1]["id"] == str(old.pk)


def test_a_page_of_keys_leads_to_the_next_one(notebook, operator):
    for number in range(3):
        make_key(notebook, name=f"key {number}")

    page = operator.get(f"{KEYS}?limit=2").json()

    assert [row["name"] for row in page["results"]] == ["key 2", "key 1"]
    assert [row["name"] for row in operator.get(page["next"]).json()["results"]] == ["key 0"]


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"level": "read"}, "name"),
        ({"name": "", "level": "read"}, "name"),
        ({"name": "  ", "level": "read"}, "name"),
        ({"name": "x" * 101, "level": "read"}, "name"),
        ({"name": 7, "level": "read"}, "name"),
        ({"name": "two\nlines", "level": "read"}, "name"),
        ({"name": "\u3164\u2060", "level": "read"}, "name"),
        ({"name": "a\ttab", "level": "read"}, "name"),
        ({"name": "nu\x00l", "level": "read"}, "name"),
        ({"name": "\ud800", "level": "read"}, "name"),
        ({"name": "x"}, "level"),
        ({"name": "x", "level": "public"}, "level"),
        ({"name": "x", "level": "operator"}, "level"),
        ({"name": "x", "level": ["admin"]}, "level"),
        ({"name": "x", "level": "read", "expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "x", "level": "read", "expires_at": "2999-01-01T00:00:00"}, "expires_at"),
        ({"name": "x", "level": "read", "expires_at": "2999-01-01"}, "expires_at"),
        ({"name": "x", "level": "read", "expires_at": "0001-01-01T00:00:00+23:59"}, "expires_at"),
        ({"name": "x", "level": "read", "expires_at": "9999-12-31T23:59:59-23:59"}, "expires_at"),
        ({"name": "x", "level": "read", "expires_at": "2999-02-30T00:00:00Z"}, "expires_at"),
        ({"name": "x", "level": "read", "expires_at": 4_102_444_800}, "expires_at"),
        ({"name": "x", "level": "read", "expires_at": ""}, "expires_at"),
        ({"name": "x", "level": "read", "notebook": "other"}, "notebook"),
        ({"name": "x", "level": "read", "key": "notes_of_my_own"}, "key"),
        ({"name": "x", "level": "read", "digest": "0" * 64}, "digest"),
    ],
    ids=ascii,
)
def test_a_key_that_cannot_be_made_is_a_400_that_names_the_field(operator, other, fields, refused):
    response = operator.post(KEYS, json.dumps(fields), content_type="application/json")

    assert fields_of(response) == [refused]
    assert not ApiKey.objects.exists()


def test_a_key_expires_in_utc_whatever_the_offset_that_was_sent(operator):
    response = operator.post(KEYS, {"name": "x", "level": "read", "expires_at": "2999-01-31T02:00:00+02:00"})

    assert response.json()["expires_at"] == LATER


@pytest.mark.parametrize(
    ("expires_at", "status"),
    [
        ("2999-01-31T00:00:00Z", 201),
        ("2999-01-30T23:00:00-01:00", 201),
        ("2999-01-31T00:00:01Z", 400),
        (None, 400),
    ],
)
def test_a_key_cannot_make_one_that_outlives_it(notebook, expires_at, status):
    admin = client(notebook, "admin", expires_at=datetime(2999, 1, 31, tzinfo=UTC))

    response = admin.post(KEYS, {"name": "x", "level": "admin", "expires_at": expires_at})

    assert response.status_code == status
    assert status == 201 or fields_of(response) == ["expires_at"]


def test_a_key_without_an_expiry_outlives_one_that_expires(notebook):
    admin = client(notebook, "admin", expires_at=datetime(2999, 1, 31, tzinfo=UTC))

    assert fields_of(admin.post(KEYS, {"name": "x", "level": "read"})) == ["expires_at"]


@pytest.mark.parametrize("level", ["read", "write"])
def test_only_an_admin_key_makes_keys(notebook, level):
    assert client(notebook, level).post(KEYS, {"name": "x", "level": "read"}).status_code == 403
    assert ApiKey.objects.count() == 1


def test_a_repeatable_request_for_a_key_is_refused_as_its_answer_cannot_be_kept(operator, notebook):
    response = operator.post(KEYS, {"name": "x", "level": "read"}, headers={"Idempotency-Key": "one"})
    revoked = operator.delete(f"{KEYS}/{make_key(notebook)[0].pk}", headers={"Idempotency-Key": "one"})

    assert fields_of(response) == fields_of(revoked) == ["Idempotency-Key"]
    assert ApiKey.objects.get().revoked_at is None


def test_revoking_a_key_ends_it_at_once(notebook, operator):
    key, text = make_key(notebook)
    phone = client_with_key(text)
    before = phone.get(ME).status_code

    response = operator.delete(f"{KEYS}/{key.pk}")

    assert (before, response.status_code) == (200, 204)
    assert problem_of(phone.get(ME), 401)["code"] == "revoked_key"
    assert problem_of(operator.delete(f"{KEYS}/{key.pk}"), 404)["detail"] == "Key not found."
    assert ApiKey.objects.get(pk=key.pk).revoked_at is not None


def test_one_of_two_who_revoke_a_key_at_the_same_time_does(notebook):
    key, _ = make_key(notebook)

    assert [key.revoke(), key.revoke()] == [True, False]


def test_a_key_may_revoke_itself(notebook):
    key, text = make_key(notebook, "admin")
    admin = client_with_key(text)

    assert admin.delete(f"{KEYS}/{key.pk}").status_code == 204
    assert admin.get(ME).status_code == 401


@pytest.mark.parametrize("unknown", ["foreign", uuid.UUID(int=7), "abc", "1", "%00", "{0}"])
def test_the_id_of_no_key_of_this_notebook_is_a_404(notebook, other, operator, unknown):
    foreign, _ = make_key(other)

    response = operator.delete(f"{KEYS}/{foreign.pk if unknown == 'foreign' else unknown}")

    assert problem_of(response, 404)["detail"] == "Key not found."
    assert ApiKey.objects.get().revoked_at is None


def test_the_list_of_keys_takes_the_same_queries_for_one_and_for_many(notebook):
    admin = client(notebook, "admin", last_used_at=timezone.now())
    with CaptureQueriesContext(
        connection,
    ) as few:
        admin.get(KEYS)
    for _ in range(20):
        make_key(notebook)

    with CaptureQueriesContext(connection) as many:
        admin.get(KEYS)

    assert len(few) == len(many) == 2
