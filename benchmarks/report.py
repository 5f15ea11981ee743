"""What a run of the benchmark found: tables for people, and a picture."""

import math
from html import escape
from statistics import median

from benchmarks.scenarios import SCENARIOS
from benchmarks.servers import SERVICES

BASES = {"sqlite": "article", "postgresql": "pg-article"}
ROW, LEFT, WIDTH, RIGHT = 26, 190, 640, 70
# The scale of the picture.
LEAST, MOST = 0.003, 50
MARKS = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50]
TITLES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
COLOURS = {"ours": "#c2410c", "tutorial": "#2563eb", "article-kept": "#15803d", "bare": "#64748b"}


class Group:
    """The medians of one size, one concurrency and one database."""

    def __init__(self, records, starts, size, concurrency, database):
        self.size, self.concurrency, self.database = size, concurrency, database
        self.base = BASES[database]
        self.records = [
            record
            for record in records
            if (record["size"], record["concurrency"]) == (size, concurrency)
            and SERVICES[record["service"]].database == database
        ]
        self.starts = [start for start in starts if (start["size"], start["concurrency"]) == (size, concurrency)]
        self.services = [name for name in SERVICES if any(record["service"] == name for record in self.records)]
        self.scenarios = [name for name in SCENARIOS if any(record["scenario"] == name for record in self.records)]

    def rounds(self, service, scenario, figure):
        rows = [row for row in self.records if (row["service"], row["scenario"]) == (service, scenario)]
        return [row[figure] for row in rows if row[figure] is not None]

    def figure(self, service, scenario, figure):
        found = self.rounds(service, scenario, figure)
        return median(found) if found else None

    def times_cheaper(self, service, scenario):
        return ratio(
            self.figure(self.base, SCENARIOS[scenario].beside, "cpu_ms"), self.figure(service, scenario, "cpu_ms")
        )

    def times_faster(self, service, scenario):
        return ratio(
            self.figure(service, scenario, "per_second"),
            self.figure(self.base, SCENARIOS[scenario].beside, "per_second"),
        )

    def alike(self):
        """Yield (a service, its twin) for the services that are there twice."""
        for name in self.services:
            if f"{name}-again" in self.services:
                yield name, f"{name}-again"

    def spread(self, figure):
        """Return how far two identical servers lie apart at most, as a ratio above 1."""
        found = [
            ratio(self.figure(one, scenario, figure), self.figure(other, scenario, figure))
            for one, other in self.alike()
            for scenario in self.scenarios
        ]
        return max((max(value, 1 / value) for value in found if value), default=None)

    def text(self):
        lines = [f"## {self.size:,} notes, {self.concurrency} at a time, {TITLES[self.database]}", ""]
        lines += self.table(
            "Processor time: times cheaper than the article's service (ms per request)", self.cheaper, verdicts=True
        )
        lines += self.table("Throughput: times the article's (requests per second)", self.faster)
        lines += self.table("Latency: median / 99 of 100, ms", self.latency)
        if self.database == "postgresql":
            lines += self.table("Processor time of the database itself, ms per request", self.of_the_database)
        lines += [*self.starts_and_memory(), *self.chance(), *self.errors(), *self.company()]
        return "\n".join(lines)

    def starts_and_memory(self):
        yield from ("Memory (PSS) after the load, and seconds from the start to the first answer:", "")
        yield from ("| service | MB | times the article's | s |", "| --- | --- | --- | --- |")
        for name in self.services:
            megabytes, base = (self.of_a_start(one, "memory_bytes") for one in (name, self.base))
            seconds = self.of_a_start(name, "seconds_to_first_answer")
            if seconds:
                yield f"| {name} | {megabytes / 1e6:.0f} | {short(megabytes / base) if base else '–'} | {seconds:.2f} |"
        yield ""

    def of_a_start(self, service, figure):
        """Return the median, or None if the first round was not finished."""
        found = [start[figure] for start in self.starts if start["service"] == service]
        return median(found) if found else None

    def chance(self):
        cpu, speed = self.spread("cpu_ms"), self.spread("per_second")
        if cpu and speed:
            yield f"Two identical servers differ by up to ×{cpu:.2f} in processor time and ×{speed:.2f} in throughput."
            yield "Differences within that are none, and are marked with ≈."
            yield ""

    def company(self):
        """Say how much of the machine other programs took. Throughput and latency suffer from them."""
        taken = sum(row["others_cpu_seconds"] for row in self.records)
        there = sum(row["machine_cpu_seconds"] for row in self.records)
        yield f"Other programs took {taken / there:.0%} of the machine meanwhile."

    def errors(self):
        failed = {}
        for record in self.records:
            if record["errors"]:
                key = record["service"], record["scenario"]
                failed[key] = failed.get(key, 0) + record["errors"]
        if not failed:
            return ["No request failed."]
        return [f"ERRORS: {service}, {scenario}: {count}" for (service, scenario), count in failed.items()]

    def table(self, title, cell, *, verdicts=False):
        head = ["scenario", *self.services, *(["at least", "aim"] if verdicts else [])]
        yield from (f"{title}:", "", f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |")
        for scenario in self.scenarios:
            cells = [scenario, *(cell(service, scenario) for service in self.services)]
            yield f"| {' | '.join([*cells, *(self.verdicts(scenario) if verdicts else [])])} |"
        yield ""

    def cheaper(self, service, scenario):
        value, ms = self.times_cheaper(service, scenario), self.figure(service, scenario, "cpu_ms")
        return f"{self.times(value, 'cpu_ms')} ({ms:.2f})" if ms is not None else ""

    def faster(self, service, scenario):
        value, number = self.times_faster(service, scenario), self.figure(service, scenario, "per_second")
        return f"{self.times(value, 'per_second')} ({number:,.0f})" if number is not None else ""

    def latency(self, service, scenario):
        middle, late = (self.figure(service, scenario, name) for name in ("p50_ms", "p99_ms"))
        return f"{middle:.1f} / {late:.0f}" if middle is not None else ""

    def of_the_database(self, service, scenario):
        ms = self.figure(service, scenario, "database_cpu_ms")
        return f"{ms:.2f}" if ms is not None else ""

    def times(self, value, figure):
        if value is None:
            return "–"
        spread = self.spread(figure)
        return f"{'≈' if spread and 1 / spread <= value <= spread else '×'}{short(value)}"

    def verdicts(self, scenario):
        ours = next((name for name in self.services if SERVICES[name].is_ours), None)
        value = ours and self.times_cheaper(ours, scenario)
        wanted = SCENARIOS[scenario]
        for target in (wanted.least, wanted.aim) if self.database == "sqlite" else (wanted.on_postgresql, None):
            if target is None or not value:
                yield ""
            else:
                yield f"×{short(target)} {'met' if value >= target else 'missed'}"


def ratio(value, other):
    return value / other if value and other else None


def short(value):
    return (
        f"{value:.0f}"
        if value >= 20
        else f"{value:.1f}"
        if value >= 5
        else f"{value:.2f}"
        if value >= 0.1
        else f"{value:.3f}"
    )


def groups(records, starts):
    keys = {(row["size"], row["concurrency"], SERVICES[row["service"]].database): None for row in records}
    return [Group(records, starts, *key) for key in keys]


def picture(group):
    """Return an SVG: for each scenario, how many times cheaper each service is than the article's, on a log scale."""
    width, height = LEFT + WIDTH + RIGHT, ROW * (len(group.scenarios) + 4)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"',
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="12" y="18">Times cheaper than the article’s service, by processor time: {group.size:,} notes, '
        f"{group.concurrency} at a time, {TITLES[group.database]}</text>",
    ]
    bottom = ROW * (len(group.scenarios) + 2)
    for mark in MARKS:
        colour = "#111" if mark == 1 else "#ddd"
        x = round(place(mark))
        lines.append(f'<line x1="{x}" x2="{x}" y1="{ROW * 1.4:.0f}" y2="{bottom}" stroke="{colour}"/>')
        lines.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle" fill="#555">×{mark:g}</text>')
    shown = [name for name in group.services if name.removeprefix("pg-") in COLOURS]
    for number, scenario in enumerate(group.scenarios, 2):
        middle = ROW * number - 6
        lines.append(f'<text x="12" y="{middle + 4}">{escape(scenario)}</text>')
        # Ours is drawn last, and so above the others.
        for name in sorted(shown, key=lambda name: SERVICES[name].is_ours):
            value = group.times_cheaper(name, scenario)
            if value:
                size = 7 if SERVICES[name].is_ours else 4
                colour = COLOURS[name.removeprefix("pg-")]
                lines.append(f'<circle cx="{place(value):.0f}" cy="{middle}" r="{size}" fill="{colour}"/>')
    for number, name in enumerate(shown):
        x, y = LEFT + number * 150, bottom + ROW + 10
        lines.append(f'<circle cx="{x}" cy="{y - 4}" r="5" fill="{COLOURS[name.removeprefix("pg-")]}"/>')
        lines.append(f'<text x="{x + 12}" y="{y}">{escape(name)}</text>')
    return "\n".join([*lines, "</svg>", ""])


def place(value):
    span = math.log(MOST / LEAST)
    return LEFT + WIDTH * math.log(min(max(value, LEAST), MOST) / LEAST) / span
