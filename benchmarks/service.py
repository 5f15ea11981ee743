"""The whole service beside its peers, over HTTP: python -m benchmarks.service, or `make bench`

Every server gets the same notes and the same requests. They are measured in turns, round by round, and each figure is
the median of its rounds. Two services are there twice: what lies between two of a kind is chance.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from tqdm import tqdm

from benchmarks import loader, report
from benchmarks.scenarios import SCENARIOS, Ours, Peer
from benchmarks.servers import PEERS_PYTHON, SERVICES, Server, get_ready, machine_cpu_seconds
from notesproject.environment import BASE_DIR
from tests.postgres import bin_directory, postgres

WARM_SECONDS = 0.5


def main():
    options = read_options()
    get_ready()
    wanted = {name: SERVICES[name] for name in options.services}
    if not all(service.is_ours for service in wanted.values()) and not PEERS_PYTHON.exists():
        sys.exit("The peers are not installed: make .venv-bench/installed")
    records, starts = [], []
    try:
        with ExitStack() as stack:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="notes-benchmark-")))
            stores = {
                database: stack.enter_context(store(database, options.folder, scratch))
                for database in dict.fromkeys(service.database for service in wanted.values())
            }
            for size in options.sizes:
                measure_size(options, wanted, stores, size, scratch, records, starts)
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
    finally:
        found = report.groups(records, starts)
        print("\n\n".join(group.text() for group in found))
        if options.json:
            options.json.write_text(json.dumps(facts(options) | {"starts": starts, "rounds": records}, indent=1))
        if options.picture and found:
            options.picture.write_text(report.picture(found[0]))


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000], metavar="N", help="notes in the notebook")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[16], metavar="N", help="connections at a time")
    parser.add_argument(
        "--services", nargs="+", default=list(SERVICES), choices=SERVICES, metavar="NAME", help=", ".join(SERVICES)
    )
    parser.add_argument(
        "--scenarios", nargs="+", default=list(SCENARIOS), choices=SCENARIOS, metavar="NAME", help=", ".join(SCENARIOS)
    )
    parser.add_argument("--seconds", type=float, default=2, help="how long each scenario goes on in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where SQLite's notes are kept for another run")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure of every round there")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the first table there, as SVG")
    return parser.parse_args()


class Files:
    """The databases of SQLite: one of each size is filled, and every server has a copy."""

    def __init__(self, folder, scratch):
        self.folder, self.scratch = folder, scratch

    def material(self, size):
        path = self.folder / f"sqlite-{size}.json"
        if not path.exists():
            # The settings of the tests name a file that is there for nobody.
            fill(size, self.folder, "sqlite:///unused.sqlite3")
        return json.loads(path.read_text())

    def copy(self, name, service, size):
        original = self.folder / (f"{size}.sqlite3" if service.is_ours else f"peers-{size}.sqlite3")
        path = self.scratch / f"{name}-{size}.sqlite3"
        shutil.copyfile(original, path)
        return f"sqlite:///{path}" if service.is_ours else str(path)


class Databases:
    """The same on a PostgreSQL server."""

    def __init__(self, url, scratch):
        self.url, self.scratch = url, scratch

    def material(self, size):
        fill(size, self.scratch, self.url)
        return json.loads((self.scratch / f"postgresql-{size}.json").read_text())

    def copy(self, name, service, size):
        original = f"notes_benchmark_{size}" if service.is_ours else f"peers_benchmark_{size}"
        copy = f"{name.replace('-', '_')}_{size}"
        host = urlsplit(self.url).path.removesuffix("/postgres")
        with psycopg.connect(host=host, user="postgres", dbname="postgres", autocommit=True) as server:
            server.execute(f"CREATE DATABASE {copy} TEMPLATE {original}")
        if service.is_ours:
            return f"{self.url.removesuffix('/postgres')}/{copy}"
        return f"host={host} user=postgres dbname={copy}"


@contextmanager
def store(database, folder, scratch):
    if database == "sqlite":
        yield Files(folder or scratch, scratch)
    else:
        with postgres() as (url, _):
            yield Databases(url, scratch)


def fill(size, folder, url):
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "benchmarks.material", str(size), str(folder)]
    subprocess.run(command, cwd=BASE_DIR, env=os.environ | {"TESTS_DATABASE_URL": url}, check=True)


def measure_size(options, wanted, stores, size, scratch, records, starts):
    materials = {name: store.material(size) for name, store in stores.items()}
    copies = {name: stores[service.database].copy(name, service, size) for name, service in wanted.items()}
    turns = [(concurrency, round) for concurrency in options.concurrency for round in range(1, options.rounds + 1)]
    steps = len(turns) * sum(
        scenario_is_for(SCENARIOS[scenario], service) for scenario in options.scenarios for service in wanted.values()
    )
    with tqdm(total=steps, unit=" runs", disable=None) as bar:
        for concurrency, round in turns:
            # Servers start anew for each round, so that what they are asked for once is new to them.
            with ExitStack() as stack:
                clients = {}
                for name, service in wanted.items():
                    material = materials[service.database]
                    log = scratch / f"{name}.log"
                    server = stack.enter_context(Server(service, copies[name], material["secret_key"], log))
                    client = (Ours if service.is_ours else Peer)(material, server.port, round)
                    clients[name] = server, client
                measure_round(options, clients, size, concurrency, round, scratch, records, bar)
                starts += [
                    {
                        "size": size,
                        "concurrency": concurrency,
                        "round": round,
                        "service": name,
                        "seconds_to_first_answer": server.seconds_to_first_answer,
                        "memory_bytes": server.memory_bytes(),
                    }
                    for name, (server, _) in clients.items()
                ]


def scenario_is_for(scenario, service):
    return service.is_ours or scenario.for_peers


def measure_round(options, clients, size, concurrency, round, scratch, records, bar):
    for server, client in clients.values():
        warm_up(server, client, concurrency, scratch)
    for name in options.scenarios:
        scenario = SCENARIOS[name]
        for service, (server, client) in clients.items():
            if scenario_is_for(scenario, server.service):
                bar.set_postfix_str(f"{service}: {name}")
                figures = measure(scenario, server, client, concurrency, options.seconds, scratch)
                of = {"size": size, "concurrency": concurrency, "round": round, "scenario": name, "service": service}
                records.append(of | figures)
                bar.update()


def warm_up(server, client, concurrency, scratch):
    requests = [client.get(client.note(note)) for note in client.few]
    loader.run(server.port, requests, scratch, connections=concurrency, seconds=WARM_SECONDS, repeats=True, waits=True)


def measure(scenario, server, client, concurrency, seconds, scratch):
    requests = scenario.requests(client)
    # The first request is made by hand, to see that it is answered as it should be.
    status, _, body = client.send(requests[0])
    if status != scenario.status:
        raise RuntimeError(
            f"{requests[0]} was answered with {status}: {body[:500]}\n{server.log_path.read_text()[-2000:]}"
        )
    if not scenario.repeats:
        requests = requests[1:]
    server.settle()
    before, others_before, own_before = server.cpu_seconds(), machine_cpu_seconds(), own_cpu_seconds()
    figures = loader.run(
        server.port, requests, scratch,
        connections=concurrency, seconds=seconds, repeats=scenario.repeats, waits=scenario.waits,
    )  # fmt: skip
    cpu, own = server.cpu_seconds() - before, own_cpu_seconds() - own_before
    others = machine_cpu_seconds() - others_before - cpu - own
    server.settle()
    answered = figures["requests"] - figures["errors"]
    return figures | {
        "cpu_ms": cpu * 1000 / answered if answered else None,
        "per_second": answered / figures["seconds"],
        "loader_cpu_seconds": own,
        # Of the database's server, and of programs that have nothing to do with the benchmark.
        "others_cpu_seconds": max(0, others),
    }


def own_cpu_seconds():
    """Return what this process and the loaders have taken; servers are still running, and so are not in it."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def facts(options):
    """Return what the figures depend on."""
    import sqlite3

    packages = (
        subprocess.run([PEERS_PYTHON, "-m", "pip", "freeze"], capture_output=True, text=True).stdout.split()
        if PEERS_PYTHON.exists()
        else []
    )
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": output("git", "describe", "--always", "--dirty"),
        "machine": platform.platform(),
        "processor": next(
            (
                line.partition(": ")[2]
                for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")
            ),
            "",
        ),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "postgresql": output(str(bin_directory() / "postgres"), "--version"),
        "wrk": shutil.which("wrk") is not None,
        "packages": output(sys.executable, "-m", "pip", "freeze").split(),
        "packages_of_the_peers": packages,
        "options": {
            name: value if not isinstance(value, Path) else str(value) for name, value in vars(options).items()
        },
    }


def output(*command):
    return subprocess.run(command, cwd=BASE_DIR, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
