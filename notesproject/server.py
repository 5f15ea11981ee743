"""Granian's server with sockets that outlive it, so that SIGHUP brings new code and settings and refuses nobody.

The main process first tries the new version in a child. Then it becomes that version itself, by exec: its id, its
sockets and its children stay. The processes of the version before answer what they have begun. New connections wait in
the sockets for the new processes.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import partial

from granian.log import logger
from granian.net import SocketHolder
from granian.server import MPServer

from notesproject.environment import REAL_ENVIRONMENT

BACKLOG = 4096
# What the version before has left to this one: {"sockets": [file descriptor], "processes": [id]}.
LEFT = "NOTES_LEFT_BY_THE_VERSION_BEFORE"
SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


def listen(host, port, processes):
    """Return a listening socket for each process, or those that the version before has left."""
    if LEFT in os.environ:
        return [socket.socket(fileno=number) for number in json.loads(os.environ[LEFT])["sockets"]]
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    if sys.platform != "linux":
        return [socket.create_server(address, family=family, backlog=BACKLOG)] * processes
    # With a socket of its own each process gets as many connections as the others.
    return [socket.create_server(address, family=family, backlog=BACKLOG, reuse_port=True) for _ in range(processes)]


class Server(MPServer):
    def __init__(self, sockets, **options):
        host, port = sockets[0].getsockname()[:2]
        super().__init__("notesproject.rsgi:application", host, port, workers=len(sockets), backlog=BACKLOG, **options)
        self.sockets = sockets
        self.before = threading.Thread(target=self.end_processes_before)
        self.on_startup(self.before.start)

    def end_processes_before(self):
        left = json.loads(os.environ.pop(LEFT, '{"processes": []}'))["processes"]
        for process in left:
            os.kill(process, signal.SIGTERM)
        deadline = time.monotonic() + self.workers_kill_timeout
        for process in left:
            while not os.waitpid(process, os.WNOHANG)[0]:
                if time.monotonic() > deadline:
                    os.kill(process, signal.SIGKILL)
                time.sleep(0.05)

    def _init_shared_socket(self):
        self._sso = None
        for listener in self.sockets:
            listener.setblocking(False)
        self.on_startup(partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, SIGNALS))

    def _spawn_worker(self, idx, target, callback_loader):
        own = self.sockets[idx]

        def load():
            # In the new process. A socket that another one holds too would stay open when its own process stops.
            for listener in self.sockets:
                if listener is not own:
                    listener.close()
            return callback_loader()

        self._shd = SocketHolder(own.fileno(), False, BACKLOG)
        return super()._spawn_worker(idx, target, load)

    def _drop_shared_socket(self):
        for listener in self.sockets:
            listener.close()

    def _reload(self, *loaders):
        self.reload_signal = False
        self.main_loop_interrupt.clear()
        command = [sys.executable, *sys.orig_argv[1:]]
        if subprocess.run([*command, "--try"], env=REAL_ENVIRONMENT, check=False).returncode:
            logger.error("The new version does not start. This one goes on.")
            return
        self.before.join()
        # A signal waits until the new version can take it.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        if self.interrupt_signal:
            return
        numbers = [listener.fileno() for listener in self.sockets]
        for number in numbers:
            os.set_inheritable(number, True)
        left = {"sockets": numbers, "processes": [worker.inner.pid for worker in self.wrks]}
        os.execve(sys.executable, command, REAL_ENVIRONMENT | {LEFT: json.dumps(left)})
