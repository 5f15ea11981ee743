"""Django's cache for counters, in memory that the forks of this process share, so that all of them count together.

There is room for 32,768 counters, in buckets. If a bucket is full, the smallest counter gives way: whoever makes many
does not push out one that is near its limit. Python's hash is secret, so nobody can tell which of them share a bucket.
"""

import multiprocessing
import time
from contextlib import suppress
from mmap import mmap
from struct import Struct

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache

# The hash of its key, the count, and when it ends by the clock that never goes back.
COUNTER = Struct("=qqd")
HASH = Struct("=q")
BUCKET_BYTES = 8 * COUNTER.size
BUCKETS = 4096
# The lock is held for microseconds. A process that holds it longer was killed meanwhile.
DEAD_AFTER_SECONDS = 0.25

# Made when this module is imported, which is before a fork.
memory = mmap(-1, BUCKETS * BUCKET_BYTES)
lock = multiprocessing.get_context("fork").Lock()


class SharedCounters(BaseCache):
    def __init__(self, name, params):
        super().__init__(params)

    def add(self, key, value, timeout=DEFAULT_TIMEOUT, version=None):
        hashed = hash((key, version))
        now = time.monotonic()
        ends = now + (self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout)
        take_lock()
        try:
            if find(hashed, now):
                return False
            COUNTER.pack_into(memory, room(hashed, now), hashed, value, ends)
            return True
        finally:
            give_lock_back()

    def get(self, key, default=None, version=None):
        take_lock()
        try:
            found = find(hash((key, version)), time.monotonic())
        finally:
            give_lock_back()
        return found[1] if found else default

    def incr(self, key, delta=1, version=None):
        hashed = hash((key, version))
        take_lock()
        try:
            found = find(hashed, time.monotonic())
            if not found:
                raise ValueError(f"There is no counter {key!r}.")
            place, count, ends = found
            COUNTER.pack_into(memory, place, hashed, count + delta, ends)
        finally:
            give_lock_back()
        return count + delta

    def clear(self):
        memory[:] = bytes(len(memory))


def take_lock():
    """Take the lock; after a while go on without it. Giving it back then frees it from whoever died."""
    lock.acquire(timeout=DEAD_AFTER_SECONDS)


def give_lock_back():
    # Two may have gone on without it at the same time.
    with suppress(ValueError):
        lock.release()


def bucket_of(hashed):
    return hashed % BUCKETS * BUCKET_BYTES


def find(hashed, now):
    """Return (place, count, end) of a counter that has not ended, or None."""
    start = bucket_of(hashed)
    place = memory.find(HASH.pack(hashed), start, start + BUCKET_BYTES)
    if place < 0 or (place - start) % COUNTER.size:
        return None
    _, count, ends = COUNTER.unpack_from(memory, place)
    return (place, count, ends) if ends > now else None


def room(hashed, now):
    """Return a place in the bucket: that of an ended counter, or of the smallest."""
    start = bucket_of(hashed)
    counters = COUNTER.iter_unpack(memory[start : start + BUCKET_BYTES])
    sizes = [count if ends > now else -1 for _, count, ends in counters]
    return start + sizes.index(min(sizes)) * COUNTER.size
