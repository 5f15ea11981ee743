"""How often somebody may ask: reads and writes per key, or per address without one; wrong secrets per address.

The cache's atomic `incr` counts within windows of fixed length. The processes of one server count together, in memory
that they share. Several servers do so with a shared cache (CACHE_URL).

While a shared cache does not answer, nobody is refused, and the log has an error for each uncounted request. The rates
keep the service usable, so they must not take it down. Meanwhile, API keys are still too long to guess.
"""

import hashlib
import logging
import time
from ipaddress import IPv6Address

from django.conf import settings
from django.core.cache import cache
from rest_framework.exceptions import Throttled
from rest_framework.permissions import SAFE_METHODS
from rest_framework.throttling import BaseThrottle

from notes.api import audit

logger = logging.getLogger("notes.throttling")

CHARS_OF_A_REQUEST = 100_000


class Window:
    """The current window of one client. `rate` is (requests, seconds)."""

    def __init__(self, policy, rate, client):
        self.policy = policy
        self.limit, self.seconds = rate
        now = int(time.time())
        # Computed from the clock alone, so it never exceeds the window's length, even if the clock is changed.
        self.reset_seconds = self.seconds - now % self.seconds
        name = hashlib.sha256(f"{policy} {client} {now // self.seconds}".encode()).hexdigest()
        self.cache_key = f"notes.rate.{name}"

    def count(self, number=1):
        """Count `number` more requests and return the new total, or 0 while the cache does not answer."""
        try:
            cache.add(self.cache_key, 0, timeout=self.seconds + 1)
            return cache.incr(self.cache_key, number)
        except ValueError:
            # The cache dropped the entry between the two calls, because the window has ended.
            return number
        except no_answer() as error:
            return uncounted(error)

    def counted_before(self):
        try:
            return cache.get(self.cache_key, 0)
        except no_answer() as error:
            return uncounted(error)

    def headers(self, counted):
        """Return the headers of draft-ietf-httpapi-ratelimit-headers: the limit, what is left of it, and until when."""
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.limit};w={self.seconds}',
            "RateLimit": f'"{self.policy}";r={max(0, self.limit - counted)};t={self.reset_seconds}',
        }


def no_answer():
    """Return the error of a cache that does not answer. Only Redis raises it, and importing that takes long."""
    from redis.exceptions import RedisError

    return RedisError


def uncounted(error):
    # Do not log the error itself: it may show the cache's address, with a password in it.
    logger.error("The cache does not answer, so that a request was not counted: %s", type(error).__name__)
    return 0


class AccessThrottle(BaseThrottle):
    """Counts reads and writes, each under its own rate: per key, per member of staff, or per address of strangers."""

    def allow_request(self, request, view):
        policy = "reads" if request.method in SAFE_METHODS else "writes"
        rate = settings.NOTES_RATE_READS if policy == "reads" else settings.NOTES_RATE_WRITES
        if rate is None:
            return True
        writer = view.access.writer
        self.window = Window(policy, rate, writer.id if writer else address_of(request))
        request.access_throttle = self
        # Count one before the body is read, so that a broken body counts too. `cost` may read the body.
        is_allowed = self.count(request, 1)
        if is_allowed and (more := view.cost(request) - 1):
            is_allowed = self.count(request, more)
        return is_allowed

    def count(self, request, number):
        counted = self.window.count(number)
        request.rate_limit = self.window.headers(counted)
        return counted <= self.window.limit

    def wait(self):
        return self.window.reset_seconds


def count_chars(request, chars):
    """Count the request once more per CHARS_OF_A_REQUEST of its answer: long answers use up a rate sooner."""
    throttle, more = getattr(request, "access_throttle", None), chars // CHARS_OF_A_REQUEST
    if throttle and more:
        throttle.count(request, more)
    request.counts_as = 1 + more


class FailureThrottle:
    """Counts wrong keys, per address. DRF throttles run after authentication, too late for these."""

    def __init__(self, request):
        rate = settings.NOTES_RATE_FAILURES
        self.request = request
        self.window = rate and Window("failures", rate, address_of(request))

    def count(self):
        """Count a wrong key. Raise Throttled if it is one too many."""
        if self.window:
            # Count first, then compare: otherwise simultaneous guesses could slip through between the two.
            counted = self.window.count()
            self.request.rate_limit = self.window.headers(counted)
            self.raise_429_if(counted > self.window.limit)

    def is_used_up(self):
        return bool(self.window) and self.window.counted_before() >= self.window.limit

    def raise_429_if_used_up(self):
        self.raise_429_if(self.is_used_up())

    def raise_429_if(self, exceeded):
        if exceeded:
            self.request.rate_limit = self.window.headers(self.window.limit)
            raise Throttled(self.window.reset_seconds, "Too many wrong API keys from this address.")


def address_of(request):
    """Return the address that a stranger is counted by, as seen NOTES_PROXIES before this server, or None.

    For IPv6, return the first 64 bits: whoever has one of those addresses has all with the same first 64 bits.
    """
    address = audit.ip_of(request)
    if address is not None and address.version == 6:
        address = IPv6Address(int(address) >> 64 << 64)
    return address and str(address)
