"""Group commit on SQLite: writes that wait at the same time, in one process, share a transaction and its fsync.

A write that finds nobody before it is carried out at once. Those that come meanwhile wait. The first of them then
leads: its thread carries out its own write and those of the others, each within a savepoint, and commits them together.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Any

from django.db import OperationalError, connection, transaction

from notes import databases
from notes.databases import PATIENCE_SECONDS, TooManyWriters, is_fault

# So that nobody waits for long: neither those of the group, nor other writers.
MAX_WRITES = 32
MAX_SECONDS = 0.1
PLACES = 128


class Write:
    """What one request wants to write, and what came of it."""

    def __init__(self, carry_out: Callable[[], Any]) -> None:
        self.carry_out = carry_out
        self.context = copy_context()
        self.deadline = time.monotonic() + PATIENCE_SECONDS
        self.leads = False
        self.called = threading.Lock()
        self.called.acquire()
        self.result: Any = None
        # What stays if the leading thread ends before its time.
        self.error: Exception | None = OperationalError("the write was given up")
        self.may_be_stored = True

    def run(self) -> None:
        """Carry it out as the request's own thread would, with its id in the log. A fault of the database is raised."""
        context = self.context.copy()
        try:
            self.result, self.error = context.run(self.carry_out), None
        except Exception as error:
            if is_fault(error):
                raise
            self.error = error
        finally:
            self.may_be_stored = context.get(databases.commit_began, False)

    def run_alone(self) -> None:
        databases.close_if_moved()
        try:
            self.run()
        except Exception as error:
            self.error = error

    def outcome(self) -> Any:
        """Return or raise what came of it, in the thread of the request."""
        databases.commit_began.set(self.may_be_stored)
        if self.error:
            raise self.error
        return self.result


class Writes:
    """The writes that wait. While `is_led`, a thread is about to write, and will call the next one."""

    def __init__(self) -> None:
        self.mutex = threading.Lock()
        self.waiting: deque[Write] = deque()
        self.is_led = False

    def join(self, write: Write) -> bool:
        """Return True if nobody writes: then this one leads. Otherwise it waits behind the others."""
        with self.mutex:
            if not self.is_led:
                self.is_led = True
                return True
            if len(self.waiting) >= PLACES:
                raise TooManyWriters("too many writers wait for the database")
            self.waiting.append(write)
            return False

    def next(self) -> Write | None:
        with self.mutex:
            return self.waiting.popleft() if self.waiting else None

    def leave(self, write: Write) -> bool:
        with self.mutex:
            if write not in self.waiting:
                return False
            self.waiting.remove(write)
            return True

    def pass_on(self) -> None:
        """Let the first of those who wait lead."""
        with self.mutex:
            if self.waiting:
                first = self.waiting.popleft()
                first.leads = True
                first.called.release()
            else:
                self.is_led = False


writes = Writes()


def committed(carry_out: Callable[[], Any]) -> Any:
    """Return what `carry_out` returns, once that is committed. It opens a transaction, or a part of one, for itself."""
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        return carry_out()
    write = Write(carry_out)
    if writes.join(write):
        try:
            return carry_out()
        finally:
            writes.pass_on()
    if not write.called.acquire(timeout=PATIENCE_SECONDS):
        if writes.leave(write):
            raise TooManyWriters("database is locked by other writers of this process")
        # Somebody is just carrying it out.
        write.called.acquire()
    if write.leads:
        try:
            lead(write)
        finally:
            writes.pass_on()
    return write.outcome()


def lead(first: Write) -> None:
    """Carry out this write, and those that wait behind it, in one transaction."""
    group: list[Write] = []
    is_committing = False
    databases.close_if_moved()
    try:
        with connection.waiting_at_most(max(0, first.deadline - time.monotonic())), transaction.atomic():
            for write in members(first):
                group.append(write)
                write.run()
            # Some of them came when this thread had looked already.
            databases.raise_if_moved()
            # Django would roll all of them back without a word.
            if connection.needs_rollback or connection.closed_in_transaction:
                raise OperationalError("a write of the group could not be rolled back alone")
            is_committing = True
    except Exception as error:
        if is_committing:
            for write in group:
                write.error, write.may_be_stored = error, True
        elif group:
            # Nothing is stored, and only one of them is to blame, or none. Alone, each learns its own fate.
            for write in group:
                write.run_alone()
        else:
            first.error, first.may_be_stored = error, False
    finally:
        for write in group[1:]:
            write.called.release()


def members(first: Write) -> Iterator[Write]:
    began = time.monotonic()
    yield first
    for _ in range(MAX_WRITES - 1):
        write = writes.next() if time.monotonic() - began < MAX_SECONDS else None
        if write is None:
            return
        yield write
