import gc
import multiprocessing
import os
import shutil
import tempfile
from contextlib import contextmanager

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.db import connections
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings

from notesproject import port as ports
from notesproject import server as servers
from notesproject.environment import REAL_ENVIRONMENT

# Measured: on SQLite one process writes at a time, and more than four gain little.
MAX_PROCESSES = 4


class Command(BaseCommand):
    help = "Serve in production: check, migrate a database that is there, and answer until SIGTERM. SIGHUP reloads."

    def add_arguments(self, parser):
        parser.add_argument("--host", default="127.0.0.1", help="The address to listen at (default: 127.0.0.1).")
        parser.add_argument("--port", type=int, default=8000, help="The port to listen at (default: 8000).")
        parser.add_argument(
            "--processes",
            type=int,
            default=min(os.cpu_count() or 1, MAX_PROCESSES),
            help=f"How many processes answer (default: one for each core, at most {MAX_PROCESSES}).",
        )

        parser.add_argument(
            "--stop-seconds",
            type=int,
            default=20,
            help="How long requests in flight have to end, at SIGTERM and SIGHUP (default: 20).",
        )
        parser.add_argument("--try", action="store_true", help="Check and migrate only: would it start?")

    def handle(self, *, host, port, processes, stop_seconds, **options):
        if settings.DEBUG:
            raise CommandError("This is for production: set DEBUG=False, or use manage.py runserver.")
        if not (options["try"] or servers.LEFT in os.environ) and ports.is_taken(host, port):
            raise CommandError(f"Port {port} of {host} is taken by another program. Choose another one with --port.")
        call_command("migrate", existing=True, verbosity=0)

        # The processes are forks of this one, so that Django is imported once. No connection may be open then.
        from notesproject.rsgi import application

        connections.close_all()
        if options["try"]:
            return
        # The collector would write into the memory that the processes share, and each would get a copy of it.
        gc.collect()
        gc.freeze()
        multiprocessing.set_start_method("fork")
        server = servers.Server(
            servers.listen(host, port, processes),
            interface=Interfaces.RSGI,
            loop=Loops.uvloop,
            # Over HTTP/2 a body may come without any length.
            http=HTTPModes.http1,
            # A head has 15 seconds and 64 kB, which is also what an unfinished one takes of the memory.
            http1_settings=HTTP1Settings(header_read_timeout=15_000, max_buffer_size=64 * 1024),
            websockets=False,
            respawn_failed_workers=True,
            # So many connections may be open in each process, however slow they are.
            backpressure=4096,
            workers_kill_timeout=stop_seconds,
            # The server's own lines look like ours.
            log_dictconfig={"formatters": {}, "handlers": {}, "loggers": {}},
        )
        with figures_of_all_processes():
            server.serve(target_loader=lambda: application, wrap_loader=False)


@contextmanager
def figures_of_all_processes():
    """Make the folder in which the processes count together (see notes/api/metrics.py). A reload goes on with it."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        folder = tempfile.mkdtemp(prefix="notes-metrics-")
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = REAL_ENVIRONMENT["PROMETHEUS_MULTIPROC_DIR"] = folder
    yield
    shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
