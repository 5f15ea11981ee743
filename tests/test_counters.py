"""The counters of the rates: those of all processes are one, and a killed process or many strangers do them no harm."""

import multiprocessing
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from notesproject import counters
from notesproject.counters import SharedCounters

pytestmark = [pytest.mark.once, pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")]

MINUTE = 60
fork = multiprocessing.get_context("fork")


@pytest.fixture
def cache():
    cache = SharedCounters("default", {})
    cache.clear()
    yield cache
    cache.clear()


def in_processes(count, function):
    processes = [fork.Process(target=function) for _ in range(count)]
    for process in processes:
        process.start()
    return processes


def count_up(cache, key, times):
    for _ in range(times):
        cache.add(key, 0, timeout=MINUTE)
        cache.incr(key)


def test_a_counter_begins_once_and_counts_up(cache):
    begun = [cache.add("one", 0, timeout=MINUTE) for _ in range(2)]
    counted = [cache.incr("one"), cache.incr("one", 5)]

    assert begun == [True, False]
    assert counted == [1, 6]
    assert (cache.get("one"), cache.get("other", 0)) == (6, 0)


def test_a_counter_that_was_not_begun_or_has_ended_is_none(cache, monkeypatch):
    cache.add("one", 0, timeout=MINUTE)
    now = time.monotonic()
    monkeypatch.setattr("notesproject.counters.time.monotonic", lambda: now + MINUTE + 1)

    for key in ("one", "other"):
        with pytest.raises(ValueError, match=key):
            cache.incr(key)
    assert cache.get("one", 0) == 0
    assert cache.add("one", 0, timeout=MINUTE) is True


def test_processes_and_their_threads_count_together_exactly(cache):
    def work():
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(lambda _: count_up(cache, "all", 500), range(2)))

    for process in in_processes(3, work):
        process.join()

    assert cache.get("all") == 3000


def test_a_process_that_is_killed_while_it_counts_holds_up_nobody(cache):
    taken = fork.Event()

    def die():
        counters.take_lock()
        taken.set()
        signal.pause()

    (process,) = in_processes(1, die)
    taken.wait()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    started = time.monotonic()
    count_up(cache, "one", 1000)

    assert cache.get("one") == 1000
    # It waits once, not each time.
    assert time.monotonic() - started < 10 * counters.DEAD_AFTER_SECONDS


def test_those_who_wait_for_a_killed_process_go_on_together(cache):
    counters.take_lock()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: count_up(cache, "all", 10), range(8)))

    # A count may be lost where several went on at the same moment.
    assert 40 < cache.get("all") <= 80


def test_ten_thousand_clients_are_counted_each(cache):
    for client in range(10_000):
        count_up(cache, str(client), 1)

    kept = sum(cache.get(str(client), 0) for client in range(10_000))
    assert kept > 9_900


def test_many_strangers_do_not_push_out_one_who_is_near_the_limit(cache):
    count_up(cache, "guesser", 19)

    for client in range(100_000):
        count_up(cache, str(client), 1)

    assert cache.get("guesser") == 19
