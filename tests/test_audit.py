"""The log names who made every request. Wrong keys, failed logins, and keys made or revoked have lines of their own."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from notes import keys
from notes.models import ApiKey
from tests.admin import KEYS, typed
from tests.people import client_with_key, make_key, make_staff
from tests.test_throttling import behind_proxies

NOTES, ME, API_KEYS = "/api/v1/notes", "/api/v1/me", "/api/v1/keys"
PASSWORD = "correct horse"
EVENT = re.compile(r"^\S+ \S+ (INFO|WARNING) notes\.security \[\S+\] (\S+) from (\S+) by (\S+?)(?:: (\S+))?$", re.M)


def events(log_lines):
    """Return (level, event, address, writer, key) of each line about keys and logins."""
    return EVENT.findall(log_lines.getvalue())


def request_line(log_lines):
    [line] = [line for line in log_lines.getvalue().splitlines() if " notes.requests " in line]
    return line


@pytest.fixture
def ada(db):
    return get_user_model().objects.create_superuser("ada", password=PASSWORD)


# Every request


def test_the_line_of_a_request_names_address_and_writer(notebook, log_lines):
    key, text = make_key(notebook)

    client_with_key(text).get(NOTES, REMOTE_ADDR="203.0.113.5")

    assert request_line(log_lines).endswith(f" from 203.0.113.5 by key:{key.pk}")


def test_a_stranger_the_operator_and_staff_are_told_apart(stranger, operator, ada, log_lines):
    bob = make_staff("bob", "view_note")
    user = get_user_model().objects.create_user("eve")
    browsers = [APIClient() for _ in range(3)]
    for browser, person in zip(browsers, [ada, bob, user], strict=True):
        browser.force_login(person)

    stranger.get(NOTES)
    operator.get(NOTES)
    for browser in browsers:
        browser.get(NOTES)
    browsers[0].get("/admin/")

    writers = [line.rsplit(" by ")[1] for line in log_lines.getvalue().splitlines() if " notes.requests " in line]
    staff = f"staff:{ada.pk}"
    assert writers == ["-", "operator", staff, f"staff:{bob.pk}", f"user:{user.pk}", staff]


def test_naming_somebody_costs_no_query(ada, client, django_assert_num_queries, log_lines):
    client.force_login(ada)

    with django_assert_num_queries(0):
        client.get("/")

    assert request_line(log_lines).endswith(" by -")


@pytest.mark.parametrize(
    ("proxies", "forwarded", "shown"),
    [
        (0, "198.51.100.7", "203.0.113.5"),
        (1, "192.0.2.1, 198.51.100.7", "198.51.100.7"),
        (1, "2001:db8:1:2:3::7", "2001:db8:1:2:3::7"),
        (1, "::ffff:198.51.100.7", "198.51.100.7"),
        (1, "fe80::1%eth0 by operator", "fe80::1"),
        (1, "unknown", "-"),
        (1, "\x1b[2J by operator", "-"),
    ],
)
def test_the_address_is_as_true_as_the_proxies_make_it(stranger, settings, log_lines, proxies, forwarded, shown):
    behind_proxies(settings, proxies)

    stranger.get(NOTES, REMOTE_ADDR="203.0.113.5", headers={"X-Forwarded-For": forwarded})

    assert request_line(log_lines).endswith(f" from {shown} by -")


# Keys


def test_a_key_that_does_not_open_is_a_line_that_says_which(notebook, log_lines):
    day = timezone.timedelta(days=1)
    revoked, revoked_text = make_key(notebook, revoked_at=timezone.now())
    expired, expired_text = make_key(notebook, expires_at=timezone.now() - day)

    for text in ["notes_typo", keys.generate(), revoked_text, expired_text]:
        assert client_with_key(text).get(ME, REMOTE_ADDR="203.0.113.5").status_code == 401
        assert text not in log_lines.getvalue()

    assert events(log_lines) == [
        ("WARNING", "malformed_key", "203.0.113.5", "-", ""),
        ("WARNING", "wrong_key", "203.0.113.5", "-", ""),
        ("WARNING", "revoked_key", "203.0.113.5", f"key:{revoked.pk}", ""),
        ("WARNING", "expired_key", "203.0.113.5", f"key:{expired.pk}", ""),
    ]


def test_no_key_is_no_line_of_its_own(stranger, log_lines):
    assert stranger.post(NOTES, {"title": "x"}).status_code == 401

    assert events(log_lines) == []


def test_a_request_too_many_is_a_line(notebook, settings, log_lines):
    settings.NOTES_RATE_READS = (1, 3600)
    key, text = make_key(notebook)

    statuses = [client_with_key(text).get(ME).status_code for _ in range(2)]

    assert statuses == [200, 429]
    assert events(log_lines) == [("WARNING", "throttled", "127.0.0.1", f"key:{key.pk}", "")]


def test_keys_made_and_revoked_over_the_api_are_lines(operator, log_lines):
    made = operator.post(API_KEYS, {"name": "phone", "level": "read"}).json()
    operator.delete(f"{API_KEYS}/{made['id']}")

    assert events(log_lines) == [
        ("INFO", event, "127.0.0.1", "operator", f"key:{made['id']}") for event in ("key_made", "key_revoked")
    ]
    assert made["key"] not in log_lines.getvalue()


def test_keys_made_and_revoked_in_the_admin_are_lines(notebook, ada, client, log_lines):
    client.force_login(ada)

    client.post(f"{KEYS}add/", typed(notebook))
    key = ApiKey.objects.get()
    client.post(KEYS, {"action": "revoke_selected", "_selected_action": [key.pk]})

    lines = [("INFO", event, "127.0.0.1", f"staff:{ada.pk}", f"key:{key.pk}") for event in ("key_made", "key_revoked")]
    assert events(log_lines)[-2:] == lines


# Logins


@pytest.mark.parametrize("address", ["/admin/login/", "/login/"])
def test_logins_are_lines_without_a_name_or_password(ada, client, log_lines, address):
    for password in ["a wrong one", PASSWORD]:
        client.post(address, {"username": "ada", "password": password}, REMOTE_ADDR="203.0.113.5")

    assert events(log_lines) == [
        ("WARNING", "login_failed", "203.0.113.5", "-", ""),
        ("INFO", "logged_in", "203.0.113.5", f"staff:{ada.pk}", ""),
    ]
    assert not [word for word in ("ada", "a wrong one", PASSWORD, "axes", "***") if word in log_lines.getvalue()]


def test_a_login_that_is_not_tried_any_more_is_a_line(ada, settings, log_lines):
    settings.AXES_FAILURE_LIMIT = 2

    statuses = [Client().post("/login/", {"username": "ada", "password": "wrong"}).status_code for _ in range(3)]

    assert statuses == [200, 429, 429]
    assert [event for _, event, *_ in events(log_lines)] == ["login_failed", "login_failed", "login_refused"]
