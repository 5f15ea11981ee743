"""The commands of docs/operation.md, taken from the page, run in its order on a machine in a folder."""

import json
import re
import shutil
import subprocess
import sys
import urllib.request

import pytest
from django.db import connection

from notesproject.environment import BASE_DIR
from tests.machine import placed
from tests.server import PROJECT, database_url, free_port, fresh_copy

PAGE = (BASE_DIR / "docs/operation.md").read_text()

# The programs that a block may call as they are.
RUN = ["sh", "curl", "sed", "cat", "cp", "rm", "ln", "install", "chmod"]
RUN_FOR_POSTGRES = ["pg_dump", "pg_restore"]

# What cannot run here, and why nothing is lost.
PLAYED = {
    "systemd-run": "no systemd runs here: tests/machine.py starts the command with the settings that it names",
    "systemctl": "no systemd runs here: tests/machine.py does what the unit says",
}
LEFT_OUT = {
    "apt-get": "the machine of the tests has what it needs, or skips the test",
    "git": "it is no part of the service, and wants a name and an address of its user",
    "docker": "there is no engine; test_deploy.py runs the commands of the image",
}

# What stands in the page, what is run instead, and why.
INSTEAD = [
    (
        r"python3 -m venv \.venv",
        f"ln -sfn {sys.prefix} .venv",
        "test_deploy.py installs packages; here they are shared",
    ),
    (r"pip install ", "pip install --dry-run --quiet ", "the same"),
    (r"--fail-level WARNING", "--fail-level ERROR", "the machine lies in a folder for temporary files: a warning"),
    (r"createsuperuser", "createsuperuser --noinput --username ada --email ada@example.org", "it asks a person"),
    (r"manage\.py runserver", "manage.py check", "it would not end; test_serve.py runs it"),
    (r"revoke_key ID", r"revoke_key $(notes list_keys | sed -n 's/\\t.*\\tlaptop$//p')", "an id is known only then"),
    (
        r"https://notes\.example\.org/",
        '-H "X-Forwarded-Proto: https" -H "Host: notes.example.org" http://127.0.0.1:8000/',
        "the part of the proxy; test_proxies.py runs proxies",
    ),
]

# The sections that are a way of their own, each on a machine of its own.
OTHER_WAYS = {"Containers", "By hand"}


def sections():
    """Yield the headings of the page, each with the scripts of its blocks."""
    for section in re.split(r"^##+ ", PAGE, flags=re.MULTILINE)[1:]:
        blocks = re.findall(r"^```(sh|crontab)\n(.*?)^```", section, flags=re.DOTALL | re.MULTILINE)
        # A line of cron has five fields before its command, and in /etc/cron.d a user too.
        scripts = [
            re.sub(r"^(?:\S+ ){5}(?:root )?", "", text, flags=re.M) if kind == "crontab" else text
            for kind, text in blocks
        ]
        yield section.partition("\n")[0], scripts


SECTIONS = dict(sections())


class Machine:
    def __init__(self, folder, database=None):
        self.folder, self.database, self.port = folder, database, free_port()
        self.bin = folder / "usr/local/bin"
        self.set_up()

    def set_up(self):
        """Make the machine as the page finds it: the code is there, and nothing else."""
        for place in ("etc/systemd/system", "etc/caddy", "var/lib", "mnt/elsewhere", "srv/texts", "srv/others"):
            (self.folder / place).mkdir(parents=True, exist_ok=True)
        fresh_copy(self.folder / "opt/notes")
        (self.folder / "opt/notes/.venv").unlink()
        (self.folder / "srv/texts/plan.md").write_text("# Plan\n\nCall the printer\n")
        self.bin.mkdir(parents=True)
        for name in RUN + (RUN_FOR_POSTGRES if self.database else []):
            self.put(name, shutil.which(name))
        for name in ("python", "python3"):
            # That of a new machine has no packages.
            self.put(name, f"{sys.executable} -S")
        for name in PLAYED:
            self.put(name, f"{sys.executable} {PROJECT}/tests/machine.py {name}")
        for name in LEFT_OUT:
            self.put(name, shutil.which("true"))

    def put(self, name, command):
        (self.bin / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (self.bin / name).chmod(0o755)

    def run(self, script):
        for pattern, instead, _ in INSTEAD:
            script = re.sub(pattern, instead, script)
        if self.database:
            script = script.replace("sqlite:////var/lib/notes/notes.sqlite3", self.database)
        if backups := sorted(self.folder.glob("mnt/elsewhere/backups/notes-*Z.*[!6]")):
            script = re.sub(r"notes-\d{8}T\d{6}Z\.sqlite3", backups[-1].name, script)
        environment = {"PATH": str(self.bin), "MACHINE": str(self.folder), "MACHINE_PORT": str(self.port)}
        result = subprocess.run(
            ["/bin/sh", "-eux", "-c", placed(script, self.folder, self.port)],
            cwd=self.folder / "opt/notes",
            env=environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def ask(self, path, data=None, key=None):
        operator = re.search("^API_KEY=(.*)", (self.folder / "etc/notes.env").read_text(), flags=re.M)[1]
        headers = {
            "X-API-Key": key or operator,
            "X-Forwarded-Proto": "https",
            "Content-Type": "application/json",
        }
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}"
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=20) as answer:
            return json.load(answer)

    def titles(self):
        return sorted(note["title"] for note in self.ask("notes")["results"])

    def lose(self):
        """Take the disk away. What was sent elsewhere is there."""
        self.run("systemctl stop notes")
        for place in ("etc", "var", "opt", "usr", "srv"):
            shutil.rmtree(self.folder / place)
        if self.database:
            drop_database()
        self.set_up()


def drop_database():
    with connection.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS runbook")


@pytest.fixture
def machine(transactional_db, tmp_path):
    database = None
    if connection.vendor == "postgresql":
        drop_database()
        with connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE runbook")
        database = database_url().rpartition("/")[0] + "/runbook"
    machine = Machine(tmp_path / "machine", database)
    yield machine
    if (machine.folder / "service.pid").exists():
        machine.run("systemctl stop notes")


@pytest.mark.prove
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_runbook_runs_from_the_first_day_to_a_new_machine(machine, tmp_path):
    said, epoch = {}, None
    for heading, scripts in SECTIONS.items():
        if heading in OTHER_WAYS:
            other = Machine(tmp_path / heading.replace(" ", "-"))
            for script in scripts:
                other.run(script)
            continue
        if heading == "Restore a backup":
            epoch = machine.ask("changes?since=0")["epoch"]
            machine.ask("notes", b'{"title": "After the backup"}')
            assert machine.titles() == ["After the backup", "Hello"]
        if heading == "The machine is gone":
            machine.lose()
            scripts = SECTIONS["The code"] + scripts
        said[heading] = "".join(machine.run(script) for script in scripts)
        if heading in {"Restore a backup", "The machine is gone"}:
            wait(machine)
            assert machine.titles() == ["Hello"]
            epoch, before = machine.ask("changes?since=0")["epoch"], epoch
            assert epoch != before

    assert '"title":"Hello"' in said["The first key"]
    assert ": whole" in said["The first backup"]
    assert re.search(r"revoked.*\tlaptop", machine.run("notes list_keys"))
    phone = re.search(r"\bnotes_\w+", said["The first key"])[0]
    assert machine.ask("notes", b'{"title": "From the phone"}', phone)["revision"]
    assert machine.titles() == ["From the phone", "Hello", "Plan"]


def wait(machine):
    machine.run("curl --fail --retry 20 --retry-connrefused --retry-delay 1 http://127.0.0.1:8000/readyz")


@pytest.mark.once
def test_a_program_that_is_neither_run_nor_named_fails(tmp_path):
    machine = Machine(tmp_path / "machine")

    with pytest.raises(AssertionError, match="rsync"):
        machine.run("rsync --version")


@pytest.mark.once
def test_each_substitution_is_of_something_in_the_page():
    commands = (
        "".join(script for scripts in SECTIONS.values() for script in scripts) + (BASE_DIR / "deploy/notes").read_text()
    )

    assert [pattern for pattern, *_ in INSTEAD if not re.search(pattern, commands)] == []
    assert [name for name in {**PLAYED, **LEFT_OUT} if not re.search(rf"\b{name}\b", commands)] == []
