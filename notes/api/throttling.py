"""How often somebody may ask: reads and writes per key, or per address without one; wrong secrets per address.

A window of fixed length, counted by the cache's atomic `incr`: right for several processes when they share a cache
(CACHE_URL); with the default, in memory, each process counts for itself.

While a shared cache does not answer, nobody is refused, and each uncounted request is an error in the log: the rates
are there to keep the service usable, and must not be what takes it down. Keys stay beyond guessing meanwhile.
"""

import hashlib
import logging
import time
from ipaddress import IPv6Address

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.exceptions import Throttled
from rest_framework.permissions import SAFE_METHODS
from rest_framework.throttling import BaseThrottle

from notes.api import audit

logger = logging.getLogger("notes.throttling")

CHARS_OF_A_REQUEST = 100_000


class Window:
    """The present window of one client under one rate: (requests, seconds)."""

    def __init__(self, policy, rate, client):
        self.policy = policy
        self.limit, self.seconds = rate
        now = int(time.time())
        # Never more than the window's length, whatever happens to the clock.
        self.reset_seconds = self.seconds - now % self.seconds
        name = hashlib.sha256(f"{policy} {client} {now // self.seconds}".encode()).hexdigest()
        self.cache_key = f"notes.rate.{name}"

    def count(self, number=1):
        """Count so many more requests and return how many there were; 0 while the cache does not answer."""
        try:
            cache.add(self.cache_key, 0, timeout=self.seconds + 1)
            return cache.incr(self.cache_key, number)
        except ValueError:
            # The cache dropped the entry between the two calls: the window has ended.
            return number
        except RedisError as error:
            return uncounted(error)

    def counted_before(self):
        try:
            return cache.get(self.cache_key, 0)
        except RedisError as error:
            return uncounted(error)

    def headers(self, counted):
        """Return the fields of draft-ietf-httpapi-ratelimit-headers: what is allowed, what is left, until when."""
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.limit};w={self.seconds}',
            "RateLimit": f'"{self.policy}";r={max(0, self.limit - counted)};t={self.reset_seconds}',
        }


def uncounted(error):
    # Not the error itself: the address of the cache in it may hold a password.
    logger.error("The cache does not answer, so that a request was not counted: %s", type(error).__name__)
    return 0


class AccessThrottle(BaseThrottle):
    """Reads and writes, each with its own rate, per key, member of staff, or address of a stranger."""

    def allow_request(self, request, view):
        policy = "reads" if request.method in SAFE_METHODS else "writes"
        rate = settings.NOTES_RATE_READS if policy == "reads" else settings.NOTES_RATE_WRITES
        if rate is None:
            return True
        writer = view.access.writer
        self.window = Window(policy, rate, writer.id if writer else address_of(request))
        request.access_throttle = self
        # Once before the body is looked at, whether it can be read or not; what else it counts for, afterwards.
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
    """Count a request once more for each CHARS_OF_A_REQUEST that it has read: long answers use up a rate sooner."""
    throttle, more = getattr(request, "access_throttle", None), chars // CHARS_OF_A_REQUEST
    if throttle and more:
        throttle.count(request, more)


class FailureThrottle:
    """Counts wrong keys, per address. DRF throttles run after authentication, too late for these."""

    def __init__(self, request):
        rate = settings.NOTES_RATE_FAILURES
        self.request = request
        self.window = rate and Window("failures", rate, address_of(request))

    def count(self):
        """Count a wrong key, and raise a Throttled if it is one too many."""
        if self.window:
            # Counted first and compared then: of guesses at the same time none slips through between the two.
            counted = self.window.count()
            self.request.rate_limit = self.window.headers(counted)
            self.raise_429_if(counted > self.window.limit)

    def raise_429_if_used_up(self):
        if self.window:
            counted = self.window.counted_before()
            self.raise_429_if(counted >= self.window.limit)

    def raise_429_if(self, exceeded):
        if exceeded:
            self.request.rate_limit = self.window.headers(self.window.limit)
            raise Throttled(self.window.reset_seconds, "Too many wrong API keys from this address.")


def address_of(request):
    """Return the address that a stranger is counted by, NOTES_PROXIES before this server; None where it has none.

    Of IPv6 the first 64 bits: whoever has one address there has all the others with the same beginning.
    """
    address = audit.ip_of(request)
    if address is not None and address.version == 6:
        address = IPv6Address(int(address) >> 64 << 64)
    return address and str(address)
