"""Sends requests to a server and times the answers: by wrk where it is installed, otherwise by a loop of its own.

The loop is a process apart: python -m benchmarks.loader FILE PORT CONNECTIONS SECONDS REPEATS. It waits for the answers
to everything that it has sent, which wrk does not. So it also measures requests that take long.
"""

import asyncio
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import quantiles

# wrk makes its requests by this script. `ended` is the time at which requests that may not repeat were used up.
SCRIPT = r"""
local ffi = require("ffi")
ffi.cdef("typedef struct {{ long seconds; long nanoseconds; }} moment; int clock_gettime(int clock, moment *now);")
local moment = ffi.new("moment")
local function now()
  ffi.C.clock_gettime(1, moment)
  return tonumber(moment.seconds) + tonumber(moment.nanoseconds) / 1e9
end
local file = assert(io.open("{file}", "rb"))
local requests, number = {{}}, 0
for request in file:read("*a"):gmatch("(%Z+)%z") do requests[#requests + 1] = request end
file:close()
began, ended = 0, 0
local is_looked_at = false
local the_thread
function setup(thread) the_thread = thread end
function request()
  if not is_looked_at then
    -- wrk looks at one request before it begins.
    is_looked_at = true
    return requests[1]
  end
  if began == 0 then began = now() end
  number = number + 1
  if number > #requests then
    number = 1
    if not {repeats} then
      number = #requests
      if ended == 0 then ended = now() end
      wrk.thread:stop()
    end
  end
  return requests[number]
end
function done(summary, latency)
  local ended, errors = the_thread:get("ended"), summary.errors
  local seconds = ended > 0 and ended - the_thread:get("began") or summary.duration / 1e6
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('\n{{"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "errors": %d}}\n',
    summary.requests, seconds, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, failed))
end
"""


def run(port, requests, folder, *, connections, seconds, repeats, waits):
    """Return {requests, seconds, p50_ms, p99_ms, errors}. Requests that may not repeat end the run when none is left.

    `waits` says that every request is answered before the run ends.
    """
    raw = Path(folder, "requests")
    write_requests(raw, requests, port)
    if shutil.which("wrk") and not waits:
        script = Path(folder, "script.lua")
        script.write_text(SCRIPT.format(file=raw, repeats=str(bool(repeats)).lower()))
        words = f"wrk -t1 -c{connections} -d{max(1, round(seconds))}s --timeout 30s -s".split()
        command = [*words, script, f"http://127.0.0.1:{port}"]
    else:
        command = [sys.executable, "-m", "benchmarks.loader", raw, port, connections, seconds, int(repeats)]
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"{command[0]}: {result.stderr or result.stdout}")
    return json.loads(result.stdout.splitlines()[-1])


def write_requests(path, requests, port):
    """Write the requests as they go over the wire, each before a NUL."""
    with path.open("wb") as file:
        for method, address, headers, body in requests:
            if body:
                headers = {**headers, "Content-Length": len(body.encode())}
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            file.write(f"{method} {address} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{lines}\r\n{body}\0".encode())


class Loop:
    def __init__(self, requests, port, seconds, *, repeats):
        self.requests = requests
        self.port = port
        self.seconds = seconds
        self.repeats = repeats
        self.sent = self.errors = 0
        self.latencies = []

    async def run(self, connections):
        began = time.perf_counter()
        self.until = began + self.seconds
        await asyncio.gather(*(self.connect() for _ in range(connections)))
        return time.perf_counter() - began

    def next_request(self):
        if time.perf_counter() >= self.until or (self.sent == len(self.requests) and not self.repeats):
            return None
        self.sent += 1
        return self.requests[(self.sent - 1) % len(self.requests)]

    async def connect(self):
        streams = None
        while request := self.next_request():
            began = time.perf_counter()
            try:
                streams = streams or await asyncio.open_connection("127.0.0.1", self.port)
                status, is_kept = await answer(*streams, request)
            except (OSError, EOFError, asyncio.LimitOverrunError):
                status, is_kept = 0, False
            self.latencies.append(time.perf_counter() - began)
            self.errors += not (200 <= status < 300 or status == 304)
            if streams and not is_kept:
                streams[1].close()
                streams = None
        if streams:
            streams[1].close()


async def answer(reader, writer, request):
    """Return (status, whether the connection stays open)."""
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = re.search(rb"\r\ncontent-length: *(\d+)", head)
    if length:
        await reader.readexactly(int(length[1]))
    return int(head[9:12]), b"\r\nconnection: close" not in head


def main(file, port, connections, seconds, repeats):
    requests = Path(file).read_bytes().split(b"\0")[:-1]
    loop = Loop(requests, int(port), float(seconds), repeats=repeats == "1")
    seconds = asyncio.run(loop.run(int(connections)))
    hundredths = quantiles(loop.latencies, n=100) if len(loop.latencies) > 1 else loop.latencies * 99
    figures = {"requests": len(loop.latencies), "seconds": seconds, "errors": loop.errors}
    print(json.dumps(figures | {"p50_ms": hundredths[49] * 1000, "p99_ms": hundredths[98] * 1000}))


if __name__ == "__main__":
    main(*sys.argv[1:])
