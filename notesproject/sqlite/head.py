"""The head of the queue of all processes that write to one SQLite file.

Only the process at the head looks whether the file is free. Whoever has just written comes behind it, and cannot
overtake it. A process that is killed loses the head by itself, as it loses its other locks.
"""

import fcntl
import os
import time

# To look takes 0.05 ms. With longer pauses the file would stay idle between the writes of two processes.
LOOK_AGAIN_SECONDS = 0.0005


class Head:
    """The head as one connection takes it: an exclusive lock on a file beside the database, which stays empty.

    It cannot be the database itself: to close that file would drop SQLite's own locks on it. Where the file cannot be
    made, processes go on without a queue.
    """

    def __init__(self, path: str) -> None:
        try:
            self.file: int | None = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError:
            self.file = None

    def take(self, deadline: float) -> bool:
        """Wait for the head until this time of the monotonic clock. Return whether it came."""
        while self.file is not None:
            try:
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(LOOK_AGAIN_SECONDS)
            else:
                break
        return True

    def give_back(self) -> None:
        if self.file is not None:
            fcntl.flock(self.file, fcntl.LOCK_UN)

    def close(self) -> None:
        if self.file is not None:
            os.close(self.file)
            self.file = None
