"""The benchmark measures what it says it does."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from benchmarks import loader, report, servers
from notesproject.environment import BASE_DIR

pytestmark = pytest.mark.once


class Answers(BaseHTTPRequestHandler):
    """Answers each request with the status that its path names, and remembers it."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append(self.path)
        self.send_response(int(self.path[1:4]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def answers():
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        server.daemon_threads = True
        server.asked = []
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


WAYS = [True, pytest.param(False, marks=pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed"))]


def get(path):
    return "GET", path, {}, ""


@pytest.mark.prove
@pytest.mark.parametrize("waits", WAYS)
def test_requests_that_may_not_repeat_are_sent_once(answers, tmp_path, waits):
    requests = [get(f"/200/{number}") for number in range(40)]

    figures = loader.run(answers.server_port, requests, tmp_path, connections=4, seconds=1, repeats=False, waits=waits)

    # wrk closes its connections without waiting for their last answers, and sends its last request again.
    assert sorted({*answers.asked}) == sorted(address for _, address, _, _ in requests)
    assert 36 <= figures["requests"] <= 40
    assert figures["errors"] == 0
    assert figures["seconds"] < 1


@pytest.mark.prove
@pytest.mark.parametrize("waits", WAYS)
def test_an_answer_that_is_no_success_is_an_error(answers, tmp_path, waits):
    requests = [get("/200"), get("/304"), get("/503"), get("/404")]

    figures = loader.run(answers.server_port, requests, tmp_path, connections=2, seconds=1, repeats=True, waits=waits)

    assert figures["requests"] > 40
    assert figures["errors"] == pytest.approx(figures["requests"] / 2, abs=4)


def test_processor_time_of_children_counts(tmp_path):
    burn = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"
    command = ["sh", "-c", '"$0" -c "$1"; true', sys.executable, burn]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shell:
        shell.stdout.readline()

        seconds, memory = servers.cpu_seconds(shell.pid), servers.memory_bytes(servers.tree(shell.pid)[-1])

        shell.stdin.close()
    assert 0.28 <= seconds < 1
    assert memory > 1_000_000


def rounds(**milliseconds):
    """Return what a run found: the processor time of each service in each of its rounds."""
    return [
        {
            "size": 1000,
            "concurrency": 16,
            "scenario": "get",
            "service": service.replace("_", "-"),
            "cpu_ms": value,
            "per_second": 1000 / value,
            "machine_cpu_seconds": 1,
            "others_cpu_seconds": 0,
            "p50_ms": value,
            "p99_ms": value,
            "errors": 3 if service == "bare" else 0,
        }
        for service, values in milliseconds.items()
        for value in values
    ]


STARTS = [
    {"size": 1000, "concurrency": 16, "service": name, "seconds_to_first_answer": 1, "memory_bytes": 1}
    for name in servers.SERVICES
]


def test_a_figure_is_the_median_and_a_ratio_says_how_many_times_cheaper():
    [group] = report.groups(rounds(article=[1, 9, 3], ours=[2, 1.5, 1]), STARTS)

    assert group.times_cheaper("ours", "get") == 2
    assert "| get | ×1.00 (3.00) | ×2.00 (1.50) | ×1.00 met | ×1.50 met |" in group.text()


def test_a_difference_within_that_of_two_identical_servers_is_none():
    found = rounds(article=[1], article_again=[1.25], tutorial=[0.9], ours=[0.5], ours_again=[0.5])

    [group] = report.groups(found, STARTS)

    assert "| get | ≈1.00 (1.00) | ≈0.80 (1.25) | ≈1.11 (0.90) | ×2.00 (0.50) |" in group.text()
    assert "differ by up to ×1.25 in processor time" in group.text()


def test_errors_are_said():
    [group] = report.groups(rounds(article=[1], bare=[0.1]), STARTS)

    assert "ERRORS: bare, get: 3" in group.text()


def test_the_picture_is_well_formed():
    [group] = report.groups(rounds(article=[1], bare=[0.1], ours=[0.5]), STARTS)

    drawn = xml.etree.ElementTree.fromstring(report.picture(group))

    assert len(drawn.findall("{*}circle")) == 2 + 2  # Two figures, and two in the legend.


@pytest.mark.prove
def test_a_small_run_tells_how_ours_grows(tmp_path):
    options = ["--sizes", "100", "200", "--rounds", "1", "--seconds", "0.2"]

    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.growth", *options], cwd=BASE_DIR, capture_output=True, text=True
    )

    assert result.returncode == 0, result.stderr
    assert "No request failed." in result.stdout
    assert "| admin: note |" in result.stdout


def processes_that_know(folder):
    """Return the processes whose environment names the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            found += [path.parent.name] * (bytes(folder) in path.read_bytes())
    return found


@pytest.mark.prove
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_ended_leaves_nothing_behind(tmp_path, sign):
    options = ["--sizes", "100", "--services", "ours"]
    command = [sys.executable, "-m", "benchmarks.service", *options]
    run = subprocess.Popen(command, cwd=BASE_DIR, env=os.environ | {"TMPDIR": str(tmp_path)})
    while run.poll() is None and not list(tmp_path.glob("notes-benchmark-*/requests")):
        time.sleep(0.1)
    assert processes_that_know(tmp_path)

    run.send_signal(sign)
    run.wait()

    assert processes_that_know(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.prove
def test_a_small_run_of_ours_measures_every_scenario(tmp_path):
    options = ["--sizes", "200", "--services", "ours", "--rounds", "1", "--seconds", "0.2", "--concurrency", "2"]

    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.service", *options, "--json", tmp_path / "found.json"],
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
    )

    assert result.returncode == 0, result.stderr
    assert "No request failed." in result.stdout
    found = json.loads((tmp_path / "found.json").read_text())
    assert len({round["scenario"] for round in found["rounds"]}) == 14
    assert all(round["cpu_ms"] > 0 for round in found["rounds"])
