"""The servers that are measured: how each is started and stopped, what processor time and memory it takes."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from notesproject.environment import BASE_DIR
from tests.keys import OPERATOR_KEY
from tests.server import environment_of_a_newcomer, free_port, make

PEERS_PYTHON = BASE_DIR / ".venv-bench/bin/python"
START_SECONDS = 60
STOP_SECONDS = 30
TICKS = os.sysconf("SC_CLK_TCK")


ADDRESS = "--host 127.0.0.1 --port {port}"
UVICORN = f"--workers 2 --loop uvloop --http httptools --no-access-log --log-level warning {ADDRESS}"
GUNICORN = "-m gunicorn benchmarks.baselines.tutorial:application --workers 2 --bind 127.0.0.1:{port}"
GRANIAN = (
    f"-m granian benchmarks.baselines.bare:application --interface wsgi --workers 2 --blocking-threads 1 {ADDRESS}"
)
RATES_OFF = {"NOTES_RATE_READS": "off", "NOTES_RATE_WRITES": "off", "NOTES_RATE_FAILURES": "off"}
OURS = [*make("--old-file=.env", "serve"), "HOST=127.0.0.1", "PORT={port}"]


@dataclass(frozen=True)
class Service:
    command: list
    database: str = "sqlite"
    is_ours: bool = False


def peer(words):
    return [PEERS_PYTHON, *words.split()]


def uvicorn(module):
    return peer(f"-m uvicorn benchmarks.baselines.{module}:app {UVICORN}")


# The first of each database is what all others are compared with. The two that are alike tell how far chance goes.
SERVICES = {
    "article": Service(uvicorn("article")),
    "article-again": Service(uvicorn("article")),
    "article-kept": Service(uvicorn("article_kept")),
    "tutorial": Service(peer(GUNICORN)),
    "bare": Service(peer(GRANIAN)),
    "ours": Service(OURS, is_ours=True),
    "ours-again": Service(OURS, is_ours=True),
    "pg-article": Service(uvicorn("article_postgres"), "postgresql"),
    "pg-article-again": Service(uvicorn("article_postgres"), "postgresql"),
    "pg-ours": Service(OURS, "postgresql", is_ours=True),
}


@dataclass
class Server:
    """A running server. Use it in a `with`, so that it is stopped whatever happens."""

    service: Service
    database: str
    secret_key: str
    log_path: Path
    port: int = field(default_factory=free_port)
    seconds_to_first_answer: float = 0

    def __enter__(self):
        environment = environment_of_a_newcomer() | RATES_OFF
        environment |= {
            "NOTES_ENV_FILE": os.devnull,
            "SECRET_KEY": self.secret_key,
            "API_KEY": OPERATOR_KEY,
            "DATABASE_URL" if self.service.is_ours else "BENCHMARK_DATABASE": self.database,
        }
        command = [str(word).format(port=self.port) for word in self.service.command]
        with self.log_path.open("w") as log:
            began = time.perf_counter()
            self.process = subprocess.Popen(
                command,
                cwd=BASE_DIR,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C ends the benchmark, which then stops its servers.
                start_new_session=True,
            )
        try:
            self.wait_for_an_answer(began)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def wait_for_an_answer(self, began):
        while time.perf_counter() - began < START_SECONDS and self.process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.url}/healthz", timeout=START_SECONDS).close()
            except OSError:
                time.sleep(0.005)
            else:
                self.seconds_to_first_answer = time.perf_counter() - began
                return
        raise RuntimeError(f"{self.service.command} did not start:\n{self.log_path.read_text()[-2000:]}")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def cpu_seconds(self):
        return cpu_seconds(self.process.pid)

    def memory_bytes(self):
        return sum(memory_bytes(pid) for pid in tree(self.process.pid))

    def settle(self, most=15):
        """Wait until the server does nothing more, so that what it left over slows down no other."""
        until = time.perf_counter() + most
        before = self.cpu_seconds()
        while time.perf_counter() < until:
            time.sleep(0.05)
            after = self.cpu_seconds()
            if after - before < 0.02:
                return
            before = after


def stat(pid):
    """Return the fields of /proc/PID/stat after the name of the program, or None if the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def tree(root):
    """Return the ids of a process and of all that descend from it."""
    children = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and (fields := stat(path.name)):
            children.setdefault(int(fields[1]), []).append(int(path.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu_seconds(root):
    """Return the processor time, of user and system, that a process tree has taken; ended children are in it."""
    times = [sum(map(int, fields[11:15])) for pid in tree(root) if (fields := stat(pid))]
    return sum(times) / TICKS


def memory_bytes(pid):
    """Return the proportional set size of a process: pages that several share count in parts."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def machine_cpu_seconds():
    """Return the processor time that all programs of the machine have taken."""
    user, nice, system, _, _, irq, softirq, *_ = Path("/proc/stat").read_text().split("\n")[0].split()[1:]
    return sum(map(int, (user, nice, system, irq, softirq))) / TICKS


def get_ready():
    # A run that is ended from outside stops its servers and removes its files, as one that is interrupted by hand.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not sys.platform.startswith("linux"):
        sys.exit("The benchmark reads processor time and memory in /proc: it runs on Linux alone.")
