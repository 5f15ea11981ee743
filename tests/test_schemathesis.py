"""schemathesis sends what the OpenAPI document allows, and what it forbids, to the real server: the two must agree."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.keys import OPERATOR_KEY
from tests.server import PROJECT, serving

SEED = "20260115"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.prove
def test_the_server_keeps_to_the_openapi_document(notebook):
    """Run every check on every operation of the committed document; schemathesis.toml says what is particular."""
    program = Path(sys.executable).with_name("schemathesis")
    command = [program, "--no-color", "--config-file", "tests/schemathesis.toml", "run", "openapi.yaml"]
    # The same key in both headers: schemathesis would make up one for the header without.
    keys = ["--header", f"X-API-Key: {OPERATOR_KEY}", "--header", f"Authorization: Bearer {OPERATOR_KEY}"]
    options = [*keys, "--seed", SEED, "--checks", "all", "--max-examples", "150"]

    with serving() as server:
        command += ["--url", server.url, *options]
        run = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
        log = server.log

    assert run.returncode == 0, run.stdout + run.stderr
    assert "Traceback" not in log
