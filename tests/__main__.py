"""Runs the suite on SQLite and on a real PostgreSQL, side by side: this is `make test`.

    python -m tests [ARGUMENT OF PYTEST ...]

Each database has a pytest of its own. With four cores or more, each takes half of them (pytest-xdist). With two, each
takes one: sharing one core would cost more than it brings. SQLite's output is shown as it comes, PostgreSQL's after it.
A failure on one database does not stop the other. Every run has a new random order (pytest-randomly), the same on both
databases; the last lines say how to repeat it.

Tests that no database plays a part in are marked `once` and run on SQLite alone. Long tests are marked `prove` and run
in `make prove`. Ctrl-C ends both.
"""

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress

SLOWEST = 10
# tests.postgres gives the tests ten seconds to end, and then ends them.
STOP_SECONDS = 15


class Suite:
    """The tests on one database, running."""

    def __init__(self, database, command, output):
        self.database = database
        self.started = time.monotonic()
        self.seconds = None
        self.output = output
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Out of reach of Ctrl-C, which some of its processes would receive twice.
            start_new_session=True,
        )

    def has_ended(self):
        if self.process.poll() is None:
            return False
        self.seconds = self.seconds or time.monotonic() - self.started
        return True

    def written(self, start):
        """Return the output from this byte on, without seeking: the writing process shares our place in the file."""
        return os.pread(self.output.fileno(), os.fstat(self.output.fileno()).st_size - start, start)

    def send(self, signum):
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signum)

    def slowest(self):
        """Return [(seconds, test)] from the end of pytest's output."""
        lines = re.findall(rb"^([0-9.]+)s (?:call|setup|teardown) +(\S.*)$", self.written(0), flags=re.MULTILINE)
        return [(float(seconds), test.decode()) for seconds, test in lines]


def show(suite, others):
    """Write the suite's output as it comes, until it has ended."""
    print(f"\n{suite.database}\n", flush=True)
    shown = 0
    while True:
        ended = suite.has_ended()
        text = suite.written(shown)
        shown += len(text)
        sys.stdout.buffer.write(text)
        sys.stdout.flush()
        for other in others:
            other.has_ended()
        if ended and not text:
            return
        time.sleep(0.1)


def interrupt(suites):
    for suite in suites:
        suite.send(signal.SIGINT)
    deadline = time.monotonic() + STOP_SECONDS
    while not all(suite.has_ended() for suite in suites) and time.monotonic() < deadline:
        time.sleep(0.1)


def summary(suites, seed):
    print("\nThe slowest tests:")
    slowest = [(seconds, suite.database, test) for suite in suites for seconds, test in suite.slowest()]
    for seconds, database, test in sorted(slowest, reverse=True)[:SLOWEST]:
        print(f"{seconds:7.2f} s  {database:10}  {test}")
    print(f"\nIn the order of --randomly-seed={seed}:")
    for suite in suites:
        code = suite.process.returncode
        print(
            f"{suite.database:10}  {f'FAILED (exit code {code})' if code else 'all well'} after {suite.seconds:.0f} s"
        )


def main(arguments):
    seeds = [argument.partition("=")[2] for argument in arguments if argument.startswith("--randomly-seed=")]
    seed = seeds[-1] if seeds else random.randrange(2**32)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    pytest = [sys.executable, "-m", "pytest", "-q"]
    pytest += [f"--numprocesses={cores // 2}", "--dist=loadfile"] if cores > 3 else []
    pytest += [f"--durations={SLOWEST}", f"--color={'yes' if sys.stdout.isatty() else 'no'}"]
    pytest += [f"--randomly-seed={seed}", *arguments]
    # SIGTERM and a closed terminal end both as Ctrl-C does.
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.default_int_handler)
    # Otherwise each of the hundred processes that the tests start would compile the project anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryFile() as one, tempfile.TemporaryFile() as two:
        suites = []
        try:
            suites.append(Suite("SQLite", pytest, one))
            suites.append(Suite("PostgreSQL", [sys.executable, "-m", "tests.postgres", *pytest], two))
            for suite in suites:
                show(suite, suites)
        except KeyboardInterrupt:
            interrupt(suites)
            print("\nInterrupted.")
            return 130
        finally:
            for suite in suites:
                if suite.has_ended():
                    # Its tests may have left processes running.
                    suite.send(signal.SIGKILL)
        summary(suites, seed)
        return int(any(suite.process.returncode for suite in suites))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
