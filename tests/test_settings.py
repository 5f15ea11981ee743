"""Settings come from the environment; a wrong one stops the start with one line that names it."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from django.core.exceptions import ImproperlyConfigured

from notesproject import dotenv
from notesproject.environment import BASE_DIR, ENVIRONMENT, EXAMPLE_SECRETS, REQUIRED, database

pytestmark = pytest.mark.once

GOOD = {
    "DJANGO_SETTINGS_MODULE": "notesproject.settings",
    "NOTES_ENV_FILE": os.devnull,
    "SECRET_KEY": "a secret key of good length",
    "API_KEY": "an api key of good length",
    "DEBUG": "False",
    # Not in the project's folder, which may itself lie in one for temporary files. Nothing opens it.
    "DATABASE_URL": "sqlite:////srv/unused.sqlite3",
}


def manage(*arguments, **environment):
    """Run manage.py with GOOD values but these; None takes a variable away."""
    inherited = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
    changed = {name: value for name, value in {**inherited, **GOOD, **environment}.items() if value is not None}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=BASE_DIR, env=changed, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", None),
        ("SECRET_KEY", ""),
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", " " * 40),
        ("API_KEY", None),
        ("API_KEY", ""),
        ("API_KEY", "fifteen-letters"),
        ("SECRET_KEY", "example-secret-key-change-me"),
        ("API_KEY", "example-api-key-change-me"),
        ("DEBUG", "flase"),
        ("DEBUG", ""),
        ("NOTES_HTTPS", "ture"),
        ("NOTES_PUBLIC_READS", "maybe"),
        ("DATABASE_URL", "garbage"),
        ("DATABASE_URL", ""),
        ("DATABASE_URL", "mysql://user:password@host/name"),
        ("DATABASE_URL", "postgres://user:password@host:port/name"),
        ("NOTES_MAX_BODY_CHARS", "10k"),
        ("NOTES_MAX_BODY_CHARS", "-1"),
        ("NOTES_MAX_BODY_CHARS", "٣"),
        ("NOTES_MAX_REQUEST_BYTES", "1e6"),
        ("NOTES_MAX_REQUEST_BYTES", ""),
        ("NOTES_LOG_LEVEL", "verbose"),
        ("NOTES_LOG_FORMAT", "xml"),
        ("NOTES_METRICS_TOKEN", "fifteen-letters"),
    ],
)
def test_a_wrong_value_stops_the_start_with_one_line_that_names_it(name, value):
    result = manage("check", **{name: value})

    assert result.returncode == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert name in result.stderr
    assert not value or len(value) < 10 or value not in result.stderr


def test_every_setting_of_ours_refuses_nonsense():
    names = [name for name in ENVIRONMENT if name.startswith("NOTES_") and name != "NOTES_ENV_FILE"]

    for name in names:
        reader, default = ENVIRONMENT[name]
        reader(default)
        with pytest.raises(ValueError, match=r"."):
            reader("٣")


@pytest.mark.parametrize("command", ["migrate", "runserver", "spectacular"])
def test_no_command_starts_with_a_wrong_value_or_shows_a_traceback(command):
    result = manage(command, DEBUG="flase")

    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "DEBUG" in result.stderr


def test_good_values_start():
    result = manage("check")

    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.prove
def test_the_example_file_alone_starts_for_a_newcomer(tmp_path):
    environment = dict.fromkeys(["SECRET_KEY", "API_KEY", "DEBUG"])
    (tmp_path / "env").write_text((BASE_DIR / ".env.example").read_text())

    result = manage("check", **environment, NOTES_ENV_FILE=str(tmp_path / "env"))

    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.prove
def test_the_environment_wins_over_the_file(tmp_path):
    (tmp_path / "env").write_text("DEBUG=flase\n")

    assert manage("check", NOTES_ENV_FILE=str(tmp_path / "env")).returncode == 0
    assert manage("check", NOTES_ENV_FILE=str(tmp_path / "env"), DEBUG=None).returncode == 1


@pytest.mark.prove
def test_production_values_pass_the_deployment_check():
    result = manage(
        "check",
        "--deploy",
        "--fail-level=WARNING",
        SECRET_KEY="kAzrnsGvYwCqTe2DP6XbHLf0J4uo5Rm8iMtVhN9c1WxQ7SyFpEKgUldBj3aZ",
        NOTES_HTTPS="True",
        NOTES_PUBLIC_READS="False",
        ALLOWED_HOSTS="notes.example.org",
    )

    assert result.returncode == 0, result.stderr


@pytest.mark.prove
def test_https_is_one_switch():
    names = [
        "SECURE_SSL_REDIRECT",
        "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_SECURE",
        "SECURE_HSTS_SECONDS",
        "SECURE_PROXY_SSL_HEADER",
    ]
    code = f"from django.conf import settings; print([bool(getattr(settings, name)) for name in {names}])"

    on, off = (manage("shell", "--no-imports", "-c", code, NOTES_HTTPS=value).stdout for value in ("True", "False"))

    assert on.strip() == str([True] * 5)
    assert off.strip() == str([False] * 5)


# .env.example


def test_the_example_file_names_every_variable_once_in_order_with_its_true_default():
    lines = re.findall(r"^(# )?([A-Z][A-Z_]+)=(.*)$", (BASE_DIR / ".env.example").read_text(), flags=re.M)

    assert [name for _, name, _ in lines] == list(ENVIRONMENT)
    for commented_out, name, value in lines:
        if commented_out:
            assert value == ENVIRONMENT[name][1], name


def test_the_example_file_sets_the_example_secrets_and_debug_and_nothing_more():
    lines = dict(re.findall(r"^([A-Z_]+)=(.*)$", (BASE_DIR / ".env.example").read_text(), flags=re.M))

    assert lines.pop("DEBUG") == "True"
    assert set(lines) == {name for name, (_, default) in ENVIRONMENT.items() if default is REQUIRED}
    assert set(lines.values()) == EXAMPLE_SECRETS


def test_every_variable_of_the_example_file_is_explained():
    blocks = (BASE_DIR / ".env.example").read_text().split("\n\n")

    for block in blocks:
        assert re.match(r"# [A-Z].{10,}", block), block


def test_dotenv_writes_fresh_secrets_for_its_owner_alone(tmp_path):
    (tmp_path / ".env.example").write_text((BASE_DIR / ".env.example").read_text())

    key = dotenv.write(tmp_path)

    written = (tmp_path / ".env").read_text()
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert f"\nAPI_KEY={key}\n" in written
    assert not any(secret in written for secret in EXAMPLE_SECRETS)
    assert len(key) > 30


def test_dotenv_never_overwrites(tmp_path):
    (tmp_path / ".env.example").write_text((BASE_DIR / ".env.example").read_text())
    (tmp_path / ".env").write_text("mine")

    assert dotenv.write(tmp_path) is None
    assert (tmp_path / ".env").read_text() == "mine"


def test_dotenv_never_writes_through_a_link(tmp_path):
    (tmp_path / ".env.example").write_text("API_KEY=x\n")
    (tmp_path / ".env").symlink_to(tmp_path / "elsewhere")

    assert dotenv.write(tmp_path) is None
    assert not (tmp_path / "elsewhere").exists()


# DATABASE_URL


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///notes.sqlite3", BASE_DIR / "notes.sqlite3"),
        ("sqlite:///data/notes.sqlite3", BASE_DIR / "data/notes.sqlite3"),
        ("sqlite:////srv/notes/notes.sqlite3", Path("/srv/notes/notes.sqlite3")),
        ("sqlite:////srv/my notes/notes.sqlite3", Path("/srv/my notes/notes.sqlite3")),
        ("sqlite:////srv/my%20notes/notes.sqlite3", Path("/srv/my notes/notes.sqlite3")),
        ("sqlite:////srv/what%3Fnotes%23.sqlite3", Path("/srv/what?notes#.sqlite3")),
        ("sqlite:////srv/100%25/é.sqlite3", Path("/srv/100%/é.sqlite3")),
    ],
)
def test_a_sqlite_path_is_kept_as_it_was_meant(url, path):
    name = database(url)["NAME"]

    assert name.startswith("file:///")
    assert name.endswith("?mode=rw")
    assert Path(unquote(urlsplit(name).path)) == path


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite://:memory:",
        "sqlite:///notes.sqlite3?timeout=1",
        "postgres://",
        "postgres://user@host/",
        "file:///notes.sqlite3",
        "notes.sqlite3",
        "postgres://h:99999999/n",
        "oracle://u:p@h/n",
    ],
)
def test_a_database_url_that_cannot_be_meant_is_refused(url):
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL"):
        database(url)


def test_postgresql_has_timeouts_and_checked_connections():
    config = database("postgres://user:p%40ss@host:5433/name?sslmode=require")

    assert (config["NAME"], config["USER"], config["PASSWORD"], config["PORT"]) == ("name", "user", "p@ss", 5433)
    assert config["OPTIONS"]["sslmode"] == "require"
    for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        assert f"-c {name}=" in config["OPTIONS"]["options"]
    assert config["CONN_HEALTH_CHECKS"] is True
    assert config["CONN_MAX_AGE"] > 0
