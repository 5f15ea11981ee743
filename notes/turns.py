"""Whose turn it is, among the threads of one process. No ORM, no HTTP."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Turns:
    """Lets `at_once` threads work at a time. Up to `places` more wait, first come, first served."""

    def __init__(self, at_once: int, places: int) -> None:
        self.mutex = threading.Lock()
        self.free = at_once
        self.places = places
        self.queue: deque[threading.Lock] = deque()

    def take(self, seconds: float | None = None) -> bool:
        """Wait for a turn, at most this many seconds. Return whether it came; False at once if the queue is full."""
        with self.mutex:
            if self.free:
                self.free -= 1
                return True
            if seconds == 0 or len(self.queue) >= self.places:
                return False
            called = threading.Lock()
            called.acquire()
            self.queue.append(called)
        if called.acquire(timeout=-1 if seconds is None else seconds):
            return True
        with self.mutex:
            if called in self.queue:
                self.queue.remove(called)
                return False
            # The turn came just as the time ran out.
            return True

    def give_back(self) -> None:
        with self.mutex:
            if self.queue:
                self.queue.popleft().release()
            else:
                self.free += 1


here = threading.local()


@contextmanager
def at_work(leave: Callable[[], object]) -> Iterator[None]:
    """Work on a request in this thread. If it steps aside, call `leave`, which lets another one work."""
    here.leave = leave
    try:
        yield
    finally:
        here.leave = None


def step_aside() -> None:
    """Go on with a request that mostly waits, without keeping others from work."""
    leave = getattr(here, "leave", None)
    if leave:
        here.leave = None
        leave()
