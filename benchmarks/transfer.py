"""How fast a notebook goes into a file and back, and in how much memory: python -m benchmarks.transfer

Behind `python -m tests.postgres` the database is PostgreSQL's. The commands run as an operator runs them.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.library import connection, databases, use  # This sets Django up.

from django.core.management import call_command  # isort: skip

from notes.databases import file_of  # isort: skip
from notesproject.environment import BASE_DIR  # isort: skip
from tests.server import process_environment  # isort: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--notes", type=int, nargs="+", default=[10_000, 100_000], metavar="N")
    parser.add_argument("--folder", type=Path, help="where SQLite's notes are kept for another run")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="notes-benchmark-", dir=options.folder) as scratch,
        databases(options.folder, options.notes, keep=False) as made,
    ):
        for size, database in made.items():
            use(database)
            exported = Path(scratch, f"{size}.ndjson")
            with exported.open("wb") as file:
                measure(size, "export_notebook", "default", stdout=file)
            call_command("create_notebook", "copy")
            measure(size, "import_notebook", exported, "--notebook", "copy")


def measure(size, *command, stdout=None):
    environment = process_environment()
    if connection.vendor == "sqlite":
        environment["DATABASE_URL"] = f"sqlite:///{file_of(connection.settings_dict)}"
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "manage.py", *command], cwd=BASE_DIR, env=environment, stdout=stdout)
    peak = 0
    # Until it is waited for, it has a status, but after its end no memory.
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if found := re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text()):
            peak = int(found[1]) // 1024
        time.sleep(0.1)
    seconds = time.perf_counter() - began
    _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command[0]} failed.")
    processor = used.ru_utime + used.ru_stime
    print(
        f"{command[0]} of {size:,} notes: {size / seconds:,.0f} notes/s, {size / processor:,.0f} per second of our CPU "
        f"time; peak memory {peak} MB",
        flush=True,
    )


if __name__ == "__main__":
    main()
