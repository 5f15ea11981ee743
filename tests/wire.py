"""Clients on real connections: one request at a time, a follower of the feed, and writers that are processes."""

import http.client
import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from tests.keys import OPERATOR_KEY

TIMEOUT_SECONDS = 60
BROKEN = (OSError, http.client.HTTPException)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict
    content: bytes

    def json(self):
        return json.loads(self.content)


class Connection:
    """One kept connection, for one thread. All its failures are among the exceptions of BROKEN."""

    def __init__(self, url):
        self.http = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_SECONDS)

    def __enter__(self):
        self.http.connect()
        return self

    def __exit__(self, *error):
        self.http.close()

    def send(self, method, path, fields=None, headers=None):
        """Send the request, and return the Answer."""
        self.send_only(method, path, fields, headers)
        response = self.http.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read())

    def get(self, path):
        return self.send("GET", path)

    def send_only(self, method, path, fields=None, headers=None):
        content = None if fields is None else json.dumps(fields)
        own = {"X-API-Key": OPERATOR_KEY, "Content-Type": "application/json"}
        self.http.request(method, path, content, {**own, **(headers or {})})


@dataclass
class Follower:
    """Follows the feed as a client does, and remembers what it was told."""

    limit: int
    since: int = 0
    epoch: str | None = None
    rows: dict = field(default_factory=dict)  # The latest row of each note, by the note's id.
    numbers: list = field(default_factory=list)  # The revisions of all rows, in the order in which they came.
    seen: dict = field(default_factory=dict)  # Each row that came, by the note's id and its revision.

    def catch_up(self, connection):
        while True:
            query = {"since": self.since, "limit": self.limit}
            if self.epoch:
                query["epoch"] = self.epoch
            answer = connection.send("GET", f"/api/v1/changes?{urlencode(query)}")
            assert answer.status == 200, answer
            feed = answer.json()
            for row in feed["results"]:
                self.rows[row["id"]] = self.seen[row["id"], row["revision"]] = row
                self.numbers.append(row["revision"])
            self.since, self.epoch = feed["revision"], feed["epoch"]
            if not feed["has_more"]:
                return

    def catch_up_until(self, event, url):
        """Poll without a pause until the event is set. Return quietly if the connection breaks."""
        try:
            with Connection(url) as connection:
                while not event.is_set():
                    self.catch_up(connection)
        except BROKEN:
            return


@contextmanager
def following(url, *followers):
    """Let them poll while the block runs, each in a thread."""
    done = threading.Event()
    with ThreadPoolExecutor(len(followers)) as threads:
        polling = [threads.submit(follower.catch_up_until, done, url) for follower in followers]
        try:
            yield
        finally:
            done.set()
        for poll in polling:
            poll.result()


class WriterProcess:
    """A process with one connection, which sends what it is told as soon as it is told."""

    def __init__(self, process):
        self.process = process

    def tell(self, *request):
        print(json.dumps(request), file=self.process.stdin, flush=True)

    def answer(self):
        """Return the status and the body of the answer to the last request."""
        line = self.process.stdout.readline()
        assert line, "The process has ended."
        return json.loads(line)


@contextmanager
def writer_processes(url, count):
    """Yield WriterProcesses that are connected."""
    with ExitStack() as processes:
        writers = []
        for _ in range(count):
            process = processes.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", __name__, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            )
            processes.callback(process.stdin.close)
            writers.append(WriterProcess(process))
        for writer in writers:
            assert writer.answer() == "connected"
        yield writers


def main(url):
    with Connection(url) as connection:
        print(json.dumps("connected"), flush=True)
        for line in sys.stdin:
            answer = connection.send(*json.loads(line))
            print(json.dumps([answer.status, answer.json()]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
