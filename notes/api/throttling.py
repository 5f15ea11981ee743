"""How often somebody may ask: reads and writes per key, or per address without one; wrong keys per address.

A window of fixed length, counted by the cache's atomic `incr`: right for several processes when they share a cache
(CACHE_URL); with the default, in memory, each process counts for itself.
"""

import hashlib
import time

from django.conf import settings
from django.core.cache import cache
from rest_framework.exceptions import Throttled
from rest_framework.permissions import SAFE_METHODS
from rest_framework.throttling import BaseThrottle


class Window:
    """The present window of one client under one rate: (requests, seconds), or None for no limit."""

    def __init__(self, policy, rate, client):
        self.policy = policy
        self.limit, self.seconds = rate
        now = time.time()
        self.reset_seconds = self.seconds - int(now) % self.seconds
        name = hashlib.sha256(f"{policy} {client} {int(now) // self.seconds}".encode()).hexdigest()
        self.cache_key = f"notes.rate.{name}"

    def count(self):
        """Count one more request and return how many there were."""
        cache.add(self.cache_key, 0, timeout=self.seconds + 1)
        try:
            self.counted = cache.incr(self.cache_key)
        except ValueError:
            # The window ended between the two calls.
            self.counted = 1
        return self.counted

    def counted_before(self):
        return cache.get(self.cache_key, 0)

    def headers(self):
        """Return the fields of draft-ietf-httpapi-ratelimit-headers: what is allowed, what is left, until when."""
        left = max(0, self.limit - self.counted)
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.limit};w={self.seconds}',
            "RateLimit": f'"{self.policy}";r={left};t={self.reset_seconds}',
        }


class AccessThrottle(BaseThrottle):
    """Reads and writes, each with its own rate, per key, member of staff, or address of a stranger."""

    def allow_request(self, request, view):
        policy = "reads" if request.method in SAFE_METHODS else "writes"
        rate = settings.NOTES_RATE_READS if policy == "reads" else settings.NOTES_RATE_WRITES
        if rate is None:
            return True
        writer = request.access.writer
        self.window = Window(policy, rate, writer.id if writer else self.get_ident(request))
        within = self.window.count() <= self.window.limit
        request.rate_limit = self.window.headers()
        return within

    def wait(self):
        return self.window.reset_seconds


class FailureThrottle(BaseThrottle):
    """Wrong keys, per address. DRF asks its throttles after authentication, so that they never see those."""

    def __init__(self, request):
        rate = settings.NOTES_RATE_FAILURES
        self.window = rate and Window("failures", rate, self.get_ident(request))

    def raise_429_if_exceeded(self):
        if self.window and self.window.counted_before() >= self.window.limit:
            raise Throttled(self.window.reset_seconds, "Too many wrong API keys from this address.")

    def count(self):
        if self.window:
            self.window.count()
