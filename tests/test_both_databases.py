"""`make test` tries both databases, whatever fails on one; Ctrl-C ends both."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.server import PROJECT

pytestmark = [pytest.mark.once, pytest.mark.prove]

FAILS_ON_SQLITE = """
from django.db import connection

def test_where_it_runs():
    print(connection.vendor)
    assert connection.vendor != "sqlite"
"""
TAKES_LONG = """
import time

def test_that_takes_long(request):
    open(f"{__file__}.{time.time_ns()}", "w").close()
    try:
        time.sleep(100)
    finally:
        open(f"{__file__}.{time.time_ns()}", "w").close()
"""


@pytest.fixture
def start(tmp_path):
    """Start `python -m tests` with one test of this text."""

    def run(text):
        (tmp_path / "test_one.py").write_text(text)
        arguments = [f"--rootdir={PROJECT}", "--config-file=pyproject.toml", str(tmp_path / "test_one.py")]
        return subprocess.Popen(
            [sys.executable, "-m", "tests", *arguments],
            cwd=PROJECT,
            env={name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "PYTEST_ADDOPTS"}},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return run


def test_what_fails_on_one_database_is_told_and_the_other_is_tried(start):
    process = start(FAILS_ON_SQLITE)
    output, _ = process.communicate(timeout=120)

    assert process.returncode == 1
    assert "\n1 failed in " in output
    assert "\n1 passed in " in output
    assert output.index("1 failed in") < output.index("1 passed in")
    assert "\nSQLite      FAILED (exit code 1) after " in output
    assert "\nPostgreSQL  all well after " in output


def test_an_interrupt_ends_both_and_their_fixtures(start, tmp_path):
    process = start(TAKES_LONG)
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("test_one.py.*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)

    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 130
    assert output.endswith("Interrupted.\n")
    # Each of the two tests has begun, and each has ended in order.
    assert len(list(tmp_path.glob("test_one.py.*"))) == 4


def test_the_server_starts_whatever_the_umask():
    command = [
        sys.executable,
        "-m",
        "tests.postgres",
        sys.executable,
        "-c",
        "import os; print(os.environ['DATABASE_URL'])",
    ]
    result = subprocess.run(command, cwd=PROJECT, umask=0o077, capture_output=True, text=True, check=False)

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("postgres://")
