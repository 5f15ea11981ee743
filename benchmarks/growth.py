"""What a request costs as the notebook grows, over HTTP and one at a time: python -m benchmarks.growth

The service runs once for each size, and twice for the smallest: what lies between those two is chance.
"""

import argparse
import json
import re
import sys
import tempfile
from contextlib import ExitStack
from http.cookies import SimpleCookie
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

from tqdm import tqdm

from benchmarks.measurement import Contender, facts
from benchmarks.scenarios import SCENARIOS, Ours, Scenario
from benchmarks.servers import SERVICES, Server, get_ready
from benchmarks.stores import store

MOST = 1.2
ADMIN_NOTES = "/admin/notes/note/"


def main():
    options = read_options()
    get_ready()
    smallest, *_ = sizes = sorted(options.sizes)
    sizes = {f"{smallest:,} again": smallest, **{f"{size:,}": size for size in sizes}}
    rounds = []
    try:
        measure(options, sizes, rounds)
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
    finally:
        print("\n".join(table(rounds, list(sizes))))
        if options.json:
            options.json.write_text(json.dumps(facts(options) | {"rounds": rounds}, indent=1))


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 100_000, 1_000_000], metavar="N")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--seconds", type=float, default=2, help="how long each scenario goes on in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where SQLite's notes are kept for another run")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure of every round there")
    return parser.parse_args()


def measure(options, sizes, rounds):
    service = next(one for one in SERVICES.values() if one.is_ours and one.database == options.database)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="notes-benchmark-")))
        kept = stack.enter_context(store(options.database, options.folder, scratch))
        materials = {name: kept.material(size) for name, size in sizes.items()}
        copies = {
            name: kept.copy(f"growth-{number}", service, size) for number, (name, size) in enumerate(sizes.items())
        }
        bar = stack.enter_context(tqdm(total=options.rounds * len(GROWING) * len(sizes), unit=" runs", disable=None))
        for round in range(1, options.rounds + 1):
            with ExitStack() as started:
                contenders = {}
                for number, (name, material) in enumerate(materials.items()):
                    log = scratch / f"{number}.log"
                    server = started.enter_context(Server(service, copies[name], material["secret_key"], log))
                    contenders[name] = Contender(server, Visitor(material, server.port, round), kept, scratch)
                    contenders[name].warm_up(1)
                for label, scenario in GROWING.items():
                    for name, contender in contenders.items():
                        bar.set_postfix_str(f"{name}: {label}")
                        figures = contender.measure(scenario, connections=1, seconds=options.seconds)
                        rounds.append({"notes": name, "round": round, "scenario": label, **figures})
                        bar.update()


class Visitor(Ours):
    """Visits the administration too."""

    cookies = ""

    def admin(self, address):
        self.cookies = self.cookies or self.sign_in()
        return self.get(address, Cookie=self.cookies)

    def sign_in(self):
        address = "/admin/login/"
        _, headers, body = self.send(self.get(address))
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', body.decode())[1]
        name = self.material["admin"]
        form = urlencode({"username": name, "password": name, "csrfmiddlewaretoken": token})
        sent = {"Cookie": cookies_of(headers), "Content-Type": "application/x-www-form-urlencoded"}
        _, headers, _ = self.send(("POST", address, sent, form))
        return cookies_of(headers)


def cookies_of(headers):
    cookies = SimpleCookie("\r\n".join(headers.get_all("Set-Cookie")))
    return "; ".join(f"{name}={cookie.value}" for name, cookie in cookies.items())


def admin_notes(client):
    return [client.admin(f"{ADMIN_NOTES}{note['row']}/change/") for note in client.others]


def admin_searches(client):
    return [client.admin(f"{ADMIN_NOTES}?{urlencode({'q': word})}") for word in client.material["words"][:1_000]]


# All wait for their last answer: some are slow.
GROWING = {
    **{name: scenario for name, scenario in SCENARIOS.items() if not name.startswith("90%")},
    "changes, a page": Scenario(lambda client: [client.get("/api/v1/changes?since=0&limit=50")]),
    "tags": Scenario(lambda client: [client.get("/api/v1/tags")]),
    "health": Scenario(lambda client: [client.get("/healthz")]),
    "ready": Scenario(lambda client: [client.get("/readyz")]),
    "admin: list": Scenario(lambda client: [client.admin(ADMIN_NOTES)], waits=True),
    "admin: search": Scenario(admin_searches, repeats=False, waits=True),
    "admin: note": Scenario(admin_notes, repeats=False, waits=True),
}


def table(rounds, names):
    yield f"| processor time, ms | {' | '.join(names)} | largest / smallest |"
    yield f"| --- | {' | '.join('---' for _ in names)} | --- |"
    for label in GROWING:
        found = {name: [] for name in names}
        for record in rounds:
            if record["scenario"] == label and record["cpu_ms"] is not None:
                found[record["notes"]].append(record["cpu_ms"])
        if not all(found.values()):
            continue
        again, smallest, *_, largest = figures = [median(found[name]) for name in names]
        growth, chance = largest / smallest, max(again, smallest) / min(again, smallest)
        verdict = "met" if growth <= MOST else "within chance" if growth <= chance * MOST else "MISSED"
        yield f"| {label} | {' | '.join(f'{value:.2f}' for value in figures)} | {growth:.2f} {verdict} |"
    errors = sum(record["errors"] for record in rounds)
    yield f"\nAt most ×{MOST} is wanted. {f'{errors} REQUESTS FAILED.' if errors else 'No request failed.'}"


if __name__ == "__main__":
    main()
