"""The whole service beside its peers, over HTTP: python -m benchmarks.service, or `make bench`

Every server gets the same notes and the same requests. They are measured in turns, round by round, and each figure is
the median of its rounds. Two services are there twice: what lies between two of a kind is chance.
"""

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tqdm import tqdm

from benchmarks import report
from benchmarks.measurement import Contender, facts
from benchmarks.scenarios import SCENARIOS, Ours, Peer
from benchmarks.servers import PEERS_PYTHON, SERVICES, Server, get_ready
from benchmarks.stores import store


def main():
    options = read_options()
    get_ready()
    if not all(SERVICES[name].is_ours for name in options.services) and not PEERS_PYTHON.exists():
        sys.exit("The peers are not installed: make .venv-bench/installed")
    run = Run(options)
    try:
        run.measure()
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
    finally:
        groups = report.groups(run.rounds, run.starts)
        print("\n\n".join(group.text() for group in groups))
        if options.json:
            options.json.write_text(json.dumps(facts(options) | {"starts": run.starts, "rounds": run.rounds}, indent=1))
        if options.picture and groups:
            options.picture.write_text(report.picture(groups[0]))


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000], metavar="N", help="notes in the notebook")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[16], metavar="N", help="connections at a time")
    parser.add_argument(
        "--services", nargs="+", default=list(SERVICES), choices=SERVICES, metavar="NAME", help=", ".join(SERVICES)
    )
    parser.add_argument(
        "--scenarios",
        nargs="+",
        default=list(SCENARIOS),
        choices=SCENARIOS,
        metavar="NAME",
        help=", ".join(SCENARIOS).replace("%", "%%"),
    )
    parser.add_argument("--seconds", type=float, default=2, help="how long each scenario goes on in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where SQLite's notes are kept for another run")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure of every round there")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the first table there, as SVG")
    return parser.parse_args()


class Run:
    """All that is measured. Its figures are there even if it is interrupted."""

    def __init__(self, options):
        self.options = options
        self.services = {name: SERVICES[name] for name in options.services}
        self.rounds, self.starts = [], []

    def measure(self):
        with ExitStack() as stack:
            self.scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="notes-benchmark-")))
            names = dict.fromkeys(service.database for service in self.services.values())
            self.stores = {name: stack.enter_context(store(name, self.options.folder, self.scratch)) for name in names}
            for size in self.options.sizes:
                self.measure_size(size)

    def measure_size(self, size):
        materials = {name: kept.material(size) for name, kept in self.stores.items()}
        copies = {name: self.stores[one.database].copy(name, one, size) for name, one in self.services.items()}
        turns = [(many, round) for many in self.options.concurrency for round in range(1, self.options.rounds + 1)]
        steps = [
            scenario for scenario in self.options.scenarios for one in self.services.values() if fits(scenario, one)
        ]
        with tqdm(total=len(turns) * len(steps), unit=" runs", disable=None) as bar:
            for concurrency, round in turns:
                # Servers start anew for each round, so that what they are asked for once is new to them.
                with ExitStack() as stack:
                    contenders = {}
                    for name, service in self.services.items():
                        material = materials[service.database]
                        log = self.scratch / f"{name}.log"
                        server = stack.enter_context(Server(service, copies[name], material["secret_key"], log))
                        client = (Ours if service.is_ours else Peer)(material, server.port, round)
                        contenders[name] = Contender(server, client, self.stores[service.database], self.scratch)
                    self.measure_round(contenders, bar, size=size, concurrency=concurrency, round=round)

    def measure_round(self, contenders, bar, **turn):
        for contender in contenders.values():
            contender.warm_up(turn["concurrency"])
        for label in self.options.scenarios:
            for name, contender in contenders.items():
                if fits(label, contender.server.service):
                    bar.set_postfix_str(f"{name}: {label}")
                    figures = contender.measure(
                        SCENARIOS[label], connections=turn["concurrency"], seconds=self.options.seconds
                    )
                    self.rounds.append({**turn, "scenario": label, "service": name, **figures})
                    bar.update()
        for name, contender in contenders.items():
            server = contender.server
            start = {"seconds_to_first_answer": server.seconds_to_first_answer, "memory_bytes": server.memory_bytes()}
            self.starts.append({**turn, "service": name, **start})


def fits(scenario, service):
    return service.is_ours or SCENARIOS[scenario].for_peers


if __name__ == "__main__":
    main()
