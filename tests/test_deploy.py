"""The files of `deploy/` that start the service, held to their own checks: no systemd and no container runs here."""

import re
import shutil
import subprocess
import sys

import pytest
from django.core.management import load_command_class

from notesproject.environment import BASE_DIR

pytestmark = pytest.mark.once

UNIT = (BASE_DIR / "deploy/notes.service").read_text()
# The most that systemd counts against a unit, in tenths. Without any hardening it counts 96.
MAX_EXPOSURE = 16


def options(command):
    """Return the options that `manage.py COMMAND` gets by these words."""
    name, *words = re.search(r"manage\.py (.+)", command).group(1).split()
    return load_command_class("notes", name).create_parser("manage.py", name).parse_args(words)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_finds_no_fault_in_the_unit_and_little_that_it_may_do(tmp_path):
    unit = tmp_path / "notes.service"
    unit.write_text(UNIT.replace("/opt/notes/.venv/bin/python", sys.executable))

    for check in (["verify"], ["security", "--offline=true", f"--threshold={MAX_EXPOSURE}"]):
        result = subprocess.run(["systemd-analyze", *check, unit], capture_output=True, text=True, check=False)

        assert result.returncode == 0, result.stdout + result.stderr
        assert "notes.service:" not in result.stderr, result.stderr


def test_systemd_waits_longer_than_requests_have_to_end():
    stop_seconds = options(re.search("ExecStart=.*", UNIT).group()).stop_seconds

    assert int(re.search(r"TimeoutStopSec=(\d+)", UNIT).group(1)) > stop_seconds
