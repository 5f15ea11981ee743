"""The first start in development makes one member of staff. No other start does."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command

from tests.people import make_staff


@pytest.fixture(autouse=True)
def development(settings, db):
    settings.DEBUG = True


def test_the_password_that_is_shown_logs_in_and_is_stored_as_its_hash_alone(client, capsys):
    call_command("create_staff")

    [(name, password)] = re.findall(r"^    (\w+) +(\S+)$", capsys.readouterr().out, re.M)
    user = get_user_model().objects.get()
    assert user.is_superuser
    assert password not in user.password
    assert client.post("/admin/login/", {"username": name, "password": password}).status_code == 302


def test_each_password_is_another_one(capsys):
    for _ in range(2):
        call_command("create_staff")
        get_user_model().objects.all().delete()

    first, second = re.findall(r"admin +(\S+)", capsys.readouterr().out)
    assert first != second


def test_it_makes_and_says_nothing_where_somebody_is(capsys):
    make_staff("ada")

    call_command("create_staff")

    assert get_user_model().objects.count() == 1
    assert capsys.readouterr().out == ""


def test_it_makes_and_says_nothing_in_production(settings, capsys):
    settings.DEBUG = False

    call_command("create_staff")

    assert not get_user_model().objects.exists()
    assert capsys.readouterr().out == ""
