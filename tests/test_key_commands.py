"""Keys and notebooks by command: for operators and their scripts."""

import re
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command

from notes import keys
from notes.models import ApiKey, Notebook
from tests.people import client_with_key, make_key
from tests.server import PROJECT, process_environment

ME = "/api/v1/me"


@pytest.fixture
def work(notebook):
    return Notebook.objects.create(name="work")


def run(capsys, *arguments):
    """Return what the command writes to standard output."""
    call_command(*arguments)
    written = capsys.readouterr()
    assert written.err == ""
    return written.out


def test_a_new_notebook_is_empty_private_and_has_the_name_given(notebook, capsys):
    assert run(capsys, "create_notebook", "Ada's work") == 'Made the notebook "Ada\'s work".\n'

    made = Notebook.objects.get(name="Ada's work")
    assert (made.revision, made.public) == (0, False)
    assert made.epoch != notebook.epoch


def test_create_key_prints_the_key_alone_and_it_opens_the_notebook(work, capsys):
    out = run(capsys, "create_key", "phone", "--level", "write", "--notebook", "work")

    assert re.fullmatch(r"notes_[0-9A-Za-z]{38}\n", out)
    assert client_with_key(out.strip()).get(ME).json() == {
        "name": "phone",
        "level": "write",
        "notebook": "work",
        "epoch": str(work.epoch),
        "expires_at": None,
    }
    assert ApiKey.objects.get().created_by == "create_key"


def test_a_key_is_for_the_default_notebook_where_none_is_named(notebook, capsys):
    run(capsys, "create_key", "phone", "--level", "read")

    assert ApiKey.objects.get().notebook == notebook


@pytest.mark.parametrize(
    ("expires", "expires_at"),
    [
        ("2999-01-31", datetime(2999, 1, 31, 23, 59, 59, 999999, UTC)),
        ("2999-01-31T12:00:00Z", datetime(2999, 1, 31, 12, tzinfo=UTC)),
        ("2999-01-31T12:00:00+02:00", datetime(2999, 1, 31, 10, tzinfo=UTC)),
        ("2999-01-31T12:00", datetime(2999, 1, 31, 12, tzinfo=UTC)),
    ],
)
def test_a_key_may_expire_at_the_end_of_a_day_or_at_a_time(notebook, capsys, expires, expires_at):
    run(capsys, "create_key", "phone", "--level", "read", "--expires", expires)

    assert ApiKey.objects.get().expires_at == expires_at


def test_list_keys_shows_all_but_the_secrets(notebook, work, capsys):
    phone, text = make_key(work, name="phone", expires_at=datetime(2999, 1, 31, 12, tzinfo=UTC))
    old, _ = make_key(work, "read", name="old", revoked_at=datetime(2001, 1, 31, tzinfo=UTC))
    gone, _ = make_key(notebook, "admin", name="gone", expires_at=datetime(2001, 1, 31, tzinfo=UTC))
    client_with_key(text).get(ME)
    used = ApiKey.objects.get(pk=phone.pk).last_used_at

    out = run(capsys, "list_keys")

    assert [line.split("\t") for line in out.splitlines()] == [
        [str(gone.pk), "default", "admin", "expired 2001-01-31 00:00", "never used", "gone"],
        [str(phone.pk), "work", "write", "expires 2999-01-31 12:00", f"last used {used:%Y-%m-%d %H:%M}", "phone"],
        [str(old.pk), "work", "read", "revoked 2001-01-31", "never used", "old"],
    ]
    assert len(run(capsys, "list_keys", "--notebook", "work").splitlines()) == 2
    assert not any(secret in out for secret in [text, keys.digest(text), "notes_"])


def test_revoke_key_closes_it_at_once(notebook, capsys):
    key, text = make_key(notebook, name="phone")

    assert run(capsys, "revoke_key", str(key.pk)) == "Revoked the key 'phone'.\n"

    assert client_with_key(text).get(ME).json()["code"] == "revoked_key"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["create_notebook", "default"], "There is a notebook 'default' already."),
        (["create_notebook", ""], "NAME: This field cannot be blank."),
        (["create_notebook", "  "], "NAME: Write one line of visible text."),
        (["create_notebook", "\u200b\u2800"], "NAME: Write one line of visible text."),
        (["create_notebook", "x" * 101], "at most 100 characters"),
        (["create_notebook", "two\nlines"], "NAME: Write one line of visible text."),
        (["create_notebook", "\udcff"], "NAME: Write one line of visible text."),
        (["create_key", " ", "--level", "read"], "NAME: Write one line of visible text."),
        (["create_key", "\u3164", "--level", "read"], "NAME: Write one line of visible text."),
        (["create_key", "tab\tbed", "--level", "read"], "NAME: Write one line of visible text."),
        (["create_key", "x" * 101, "--level", "read"], "at most 100 characters"),
        (["create_key", "x"], "--level"),
        (["create_key", "x", "--level", "owner"], "invalid choice: 'owner'"),
        (["create_key", "x", "--level", "read", "--notebook", "nowhere"], "There is no notebook 'nowhere'."),
        (["create_key", "x", "--level", "read", "--expires", "2001-01-31"], "is over already"),
        (["create_key", "x", "--level", "read", "--expires", "2999-02-30"], "is no date"),
        (["create_key", "x", "--level", "read", "--expires", "soon"], "is no date"),
        (["create_key", "x", "--level", "read", "--expires", ""], "is no date"),
        (["create_key", "x", "--level", "read", "--expires", "0001-01-01T00:00:00+23:59"], "is no date"),
        (["list_keys", "--notebook", "nowhere"], "There is no notebook 'nowhere'."),
        (["revoke_key", "7"], "ID is not the id of a key. See list_keys."),
        (["revoke_key", "0190f1c2-7a3b-7c4d-8e5f-001122334455"], "There is no key 0190f1c2-7a3b-7c4d-8e5f-0011223344"),
    ],
    ids=ascii,
)
def test_what_cannot_be_done_is_one_clear_line(notebook, capsys, arguments, words):
    with pytest.raises(CommandError) as error:
        call_command(*arguments)

    assert words in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    assert capsys.readouterr().out == ""
    assert (ApiKey.objects.count(), Notebook.objects.count()) == (0, 1)


def test_revoking_a_key_again_says_so(notebook):
    key, _ = make_key(notebook, name="phone")
    call_command("revoke_key", str(key.pk))

    with pytest.raises(CommandError, match="was revoked before"):
        call_command("revoke_key", str(key.pk))


def test_a_key_pasted_for_its_id_is_not_repeated(notebook):
    _, text = make_key(notebook)

    with pytest.raises(CommandError) as error:
        call_command("revoke_key", text)

    assert text not in str(error.value)


@pytest.mark.django_db(transaction=True)
def test_a_script_gets_the_key_or_an_exit_code_and_a_line_on_standard_error(notebook):
    def manage(*arguments):
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(command, cwd=PROJECT, env=process_environment(), capture_output=True, text=True)

    made = manage("create_key", "phone", "--level", "write")
    failed = manage("create_key", "phone", "--level", "write", "--notebook", "nowhere")

    assert made.returncode == 0
    assert client_with_key(made.stdout.removesuffix("\n")).get(ME).status_code == 200
    assert (failed.returncode, failed.stdout) == (1, "")
    # A warning of the system checks comes before it: the tests' database is a temporary file.
    assert failed.stderr.endswith("CommandError: There is no notebook 'nowhere'. Make it with create_notebook.\n")
    assert "Traceback" not in failed.stderr
