"""One run of one scenario against one server, and what the figures depend on."""

import os
import platform
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import loader
from benchmarks.scenarios import Client
from benchmarks.servers import PEERS_PYTHON, Server, machine_cpu_seconds
from benchmarks.stores import Databases, Files
from notesproject.environment import BASE_DIR
from tests.postgres import bin_directory

WARM_SECONDS = 0.5


@dataclass
class Contender:
    """A running server, the client that makes its requests, and the database behind it."""

    server: Server
    client: Client
    store: Files | Databases
    scratch: Path

    def warm_up(self, connections):
        requests = [self.client.get(self.client.note(note)) for note in self.client.few]
        self.load(requests, connections=connections, seconds=WARM_SECONDS, repeats=True, waits=True)

    def load(self, requests, **options):
        return loader.run(self.server.port, requests, self.scratch, **options)

    def measure(self, scenario, *, connections, seconds):
        """Return the figures of one run."""
        requests = scenario.requests(self.client)
        self.check_the_first(requests, scenario)
        self.server.settle()
        before, began = self.times(), time.perf_counter()
        figures = self.load(
            requests if scenario.repeats else requests[1:],
            connections=connections,
            seconds=seconds,
            repeats=scenario.repeats,
            waits=scenario.waits,
        )
        server, database, own, machine = (now - then for now, then in zip(self.times(), before))
        wall = time.perf_counter() - began
        self.server.settle()
        answered = figures["requests"] - figures["errors"]
        return figures | {
            "cpu_ms": server * 1000 / answered if answered else None,
            "database_cpu_ms": database * 1000 / answered if answered else None,
            "per_second": answered / figures["seconds"],
            "loader_cpu_seconds": own,
            # Of the whole machine, while the run went on.
            "machine_cpu_seconds": wall * os.cpu_count(),
            "others_cpu_seconds": max(0, machine - server - database - own),
        }

    def check_the_first(self, requests, scenario):
        """Send the first request by hand, to see that it is answered as it should be."""
        status, _, body = self.client.send(requests[0])
        if status != scenario.status:
            log = self.server.log_path.read_text()[-2000:]
            raise RuntimeError(f"{requests[0]} was answered with {status}: {body[:500]}\n{log}")

    def times(self):
        """Return the processor time of the server, its database, the benchmark, and of the whole machine."""
        return self.server.cpu_seconds(), self.store.cpu_seconds(), own_cpu_seconds(), machine_cpu_seconds()


def own_cpu_seconds():
    """Return what this process and the loaders have taken; servers are still running, and so are not in it."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def facts(options):
    """Return what the figures depend on, for the JSON file."""
    processor = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), flags=re.MULTILINE)
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": output("git", "describe", "--always", "--dirty"),
        "machine": platform.platform(),
        "processor": processor[1] if processor else "",
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "postgresql": output(bin_directory() / "postgres", "--version"),
        "wrk": shutil.which("wrk") is not None,
        "packages": output(sys.executable, "-m", "pip", "freeze").split(),
        "packages_of_the_peers": output(PEERS_PYTHON, "-m", "pip", "freeze").split() if PEERS_PYTHON.exists() else [],
        "options": {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()},
    }


def output(*command):
    return subprocess.run(command, cwd=BASE_DIR, capture_output=True, text=True).stdout.strip()
