"""Who sent a request, in words for the log, and the log lines about keys and logins.

All these lines read `EVENT from ADDRESS by WRITER`, for people and for tools such as fail2ban.
"""

import logging
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from django.conf import settings

logger = logging.getLogger("notes.security")


class SecurityLine(NamedTuple):
    """What a log line about keys and logins says. Its order is a promise: fail2ban looks for the address."""

    event: str
    address: str
    writer: str
    key: str | None = None

    def __str__(self):
        return f"{self.event} from {self.address} by {self.writer}" + (f": {self.key}" if self.key else "")


def ip_of(request):
    """Return the address that a request came from, as seen NOTES_PROXIES before this server, or None."""
    return ip_in(request.META.get("REMOTE_ADDR"), request.META.get("HTTP_X_FORWARDED_FOR"), settings.NOTES_PROXIES)


@lru_cache(maxsize=1024)
def ip_in(address, forwarded_for, proxies):
    if proxies and forwarded_for is not None:
        addresses = forwarded_for.split(",")
        address = addresses[-min(proxies, len(addresses))].strip()
    try:
        ip = ip_address(address)
    except ValueError:
        return None
    if ip.version == 4:
        return ip
    # Drop the zone of an IPv6 address: it may be any text.
    return ip.ipv4_mapped or (IPv6Address(int(ip)) if ip.scope_id else ip)


def writer_of(request):
    """Return the writer's id as in the history, `user:<id>` for a user who is not staff, or `-`. No query."""
    request = getattr(request, "_request", request)
    if key := getattr(request, "auth", None):
        return key.writer_id
    # Read Django's cached user: `request.user` would cost a query if nobody has asked for it yet.
    user = getattr(request, "_cached_user", None)
    return id_of(user) if user and user.pk else "-"


def id_of(user):
    return f"{'staff' if user.is_staff else 'user'}:{user.pk}"


def origin(request, by=None):
    """Return from where a request came, and who sent it, in words."""
    return text_of(ip_of(request)), by or writer_of(request)


@lru_cache(maxsize=1024)
def text_of(ip):
    return str(ip or "-")


def log(event, request, *, by=None, key=None):
    """Log that a key was made or revoked, or a login. Give `by` if the request does not tell who the writer is."""
    logger.info(SecurityLine(event, *origin(request, by), key and key.writer_id))


def log_refusal(event, request, *, by=None):
    """Log a wrong key or password, or one request too many."""
    logger.warning(SecurityLine(event, *origin(request, by)))
    if settings.NOTES_METRICS:
        from notes.api import metrics

        metrics.count_refusal(event)
