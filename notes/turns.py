"""Whose turn it is, among the threads of one process. No ORM, no HTTP."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """So many at a time; the others wait, in the order in which they came, and no more than `places` of them."""

    def __init__(self, at_once: int, places: int) -> None:
        self.mutex = threading.Lock()
        self.free = at_once
        self.places = places
        self.queue: deque[threading.Lock] = deque()

    def take(self, seconds: float | None = None) -> bool:
        """Wait for a turn, at most so many seconds, and return whether it came. False at once if the queue is full."""
        with self.mutex:
            if self.free:
                self.free -= 1
                return True
            if seconds == 0 or len(self.queue) >= self.places:
                return False
            called = threading.Lock()
            called.acquire()
            self.queue.append(called)
        step_aside()
        if called.acquire(timeout=-1 if seconds is None else seconds):
            return True
        with self.mutex:
            if called in self.queue:
                self.queue.remove(called)
                return False
            # The turn came in the moment in which the time was up.
            return True

    def give_back(self) -> None:
        with self.mutex:
            if self.queue:
                self.queue.popleft().release()
            else:
                self.free += 1


# More requests than these at the same time would only fight for Python's interpreter lock.
requests = Turns(at_once=8, places=1_000)
here = threading.local()


@contextmanager
def at_work() -> Iterator[None]:
    """Wait until this thread may work on its request.

    A request that waits for something steps aside, and goes on afterwards without a turn: what waits must not keep
    those from work that need not wait.
    """
    requests.take()
    here.works = True
    try:
        yield
    finally:
        step_aside()


def step_aside() -> None:
    if getattr(here, "works", False):
        here.works = False
        requests.give_back()
