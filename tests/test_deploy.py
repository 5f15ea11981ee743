"""The files of `deploy/` that start the service, held to their own checks: no systemd and no container runs here."""

import json
import os
import re
import shutil
import subprocess
import urllib.request
from functools import partial

import pytest
import yaml
from django.core.management import load_command_class

from notesproject.environment import BASE_DIR
from tests.server import Server, environment_of_a_newcomer, free_port, wait_until_ready

pytestmark = pytest.mark.once

UNIT = (BASE_DIR / "deploy/notes.service").read_text()
# The most that systemd counts against a unit, in tenths. Without any hardening it counts 96.
MAX_EXPOSURE = 16


def options(command):
    """Return the options that `manage.py COMMAND` gets by these words."""
    name, *words = re.search(r"manage\.py (.+)", command).group(1).split()
    return load_command_class("notes", name).create_parser("manage.py", name).parse_args(words)


needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def analyze(folder, *arguments):
    """Run systemd-analyze on copies of the units that name a program that is there. Assert that it says nothing."""
    for path in BASE_DIR.glob("deploy/notes*.*"):
        (folder / path.name).write_text(path.read_text().replace("/opt/notes/.venv/bin/python", "/bin/true"))
    command = ["systemd-analyze", *arguments]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stdout + result.stderr
    assert "notes" not in result.stderr, result.stderr


@needs_systemd
def test_systemd_finds_no_fault_in_the_units(tmp_path):
    analyze(tmp_path, "verify", "./notes.service", "./notes-backup.timer", "./notes-backup.service")


@needs_systemd
def test_systemd_finds_little_that_the_service_may_do(tmp_path):
    analyze(tmp_path, "security", "--offline=true", f"--threshold={MAX_EXPOSURE}", "./notes.service")


def test_the_backup_runs_as_the_service_where_it_may_write():
    backup = (BASE_DIR / "deploy/notes-backup.service").read_text()

    commands = re.findall("ExecStart=(.*)", backup)

    assert options(commands[0]).keep == 14
    assert options(commands[1])
    # The user of a unit that names none is called as the unit is.
    assert "User=notes" in backup.splitlines()
    for line in re.findall(
        "^(?:EnvironmentFile|Environment|WorkingDirectory|DynamicUser)=.*", backup, flags=re.MULTILINE
    ):
        assert line in UNIT.splitlines()


def test_systemd_waits_longer_than_requests_have_to_end():
    stop_seconds = options(re.search("ExecStart=.*", UNIT).group()).stop_seconds

    assert int(re.search(r"TimeoutStopSec=(\d+)", UNIT).group(1)) > stop_seconds


# Containers

DOCKERFILE = re.findall(
    r"^([A-Z]+) (.+)$", (BASE_DIR / "Dockerfile").read_text().replace("\\\n", ""), flags=re.MULTILINE
)
COMPOSE = {name: yaml.safe_load((BASE_DIR / name).read_text()) for name in ("compose.yaml", "compose.many.yaml")}


def instruction(name):
    """Return what stands behind the last instruction of this name."""
    return [rest for instruction, rest in DOCKERFILE if instruction == name][-1]


def test_the_image_takes_what_its_context_has_and_the_tests_and_secrets_are_not_in_it():
    context = {line[1:] for line in (BASE_DIR / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        word for name, rest in DOCKERFILE if name == "COPY" and "--from" not in rest for word in rest.split()[:-1]
    }

    assert copied == context
    assert all((BASE_DIR / name).exists() for name in copied)


def test_the_image_runs_serve_as_nobody_in_particular():
    command = " ".join([*json.loads(instruction("ENTRYPOINT")), *json.loads(instruction("CMD"))])

    assert options(command).host == "0.0.0.0"
    assert int(instruction("USER")) > 1000


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
@pytest.mark.parametrize("name", COMPOSE)
def test_compose_finds_no_fault_in(name, tmp_path):
    shutil.copy(BASE_DIR / name, tmp_path)
    shutil.copy(BASE_DIR / ".env.example", tmp_path / ".env")
    environment = os.environ | {"POSTGRES_PASSWORD": "secret", "NOTES_HOST": "notes.example.org"}
    command = ["docker-compose", "-f", name, "config", "--quiet"]

    check = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    assert (check.returncode, check.stderr) == (0, "")


@pytest.mark.parametrize("name", COMPOSE)
def test_each_service_of_ours_is_confined_and_has_time_to_stop(name):
    services = COMPOSE[name]["services"]
    ours = {service: said for service, said in services.items() if "build" in said}

    assert set(ours) == ({"notes"} if name == "compose.yaml" else {"migrate", "one", "two"})
    for said in ours.values():
        assert said["stop_grace_period"] == "30s"
        assert (said["read_only"], said["cap_drop"]) == (True, ["ALL"])
        assert said["environment"]["DEBUG"] == "False"


@pytest.mark.prove
def test_the_commands_of_the_image_run_in_a_clean_folder(tmp_path):
    folder, data = tmp_path / "opt", tmp_path / "data"
    folder.mkdir()
    data.mkdir()
    here = partial(re.sub, "/var/lib/notes", str(data))
    for name, rest in DOCKERFILE:
        if name == "COPY" and "--from" not in rest:
            for word in rest.split()[:-1]:
                copy = shutil.copytree if (BASE_DIR / word).is_dir() else shutil.copy
                copy(BASE_DIR / word, folder / word)
        elif name == "RUN" and "useradd" not in rest:
            subprocess.run(["sh", "-euc", rest], cwd=folder, check=True)
    environment = environment_of_a_newcomer() | {
        **dict(pair.split("=", 1) for pair in here(instruction("ENV")).split()),
        "PATH": f"{folder}/.venv/bin:{os.environ['PATH']}",
        "SECRET_KEY": "a secret key for this test",
        "API_KEY": "a key for this test alone",
    }
    entrypoint = json.loads(instruction("ENTRYPOINT"))
    subprocess.run([*entrypoint, "migrate"], cwd=folder, env=environment, check=True)
    port = free_port()
    serve = [*entrypoint, *json.loads(instruction("CMD")), "--port", str(port)]
    health = json.loads(instruction("HEALTHCHECK").partition("CMD ")[2].replace("8000", str(port)))

    unhealthy = subprocess.run(health, cwd=folder, env=environment, capture_output=True, check=False)
    log = tmp_path / "log"
    with (
        log.open("w") as output,
        subprocess.Popen(serve, cwd=folder, env=environment, stdout=output, stderr=output) as process,
    ):
        try:
            wait_until_ready(Server(f"http://127.0.0.1:{port}", log, process))
            healthy = subprocess.run(health, cwd=folder, env=environment, capture_output=True, check=False)
            # The page is a file of docs/.
            page = urllib.request.urlopen(f"http://127.0.0.1:{port}/docs/operation", timeout=20).status
        finally:
            process.terminate()

    assert (unhealthy.returncode, healthy.returncode, page) == (1, 0, 200)
    assert [path.name for path in data.iterdir() if path.suffix == ".sqlite3"] == ["notes.sqlite3"]
