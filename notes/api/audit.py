"""Who sent a request, in words for the log, and the log lines about keys and logins.

All these lines read `EVENT from ADDRESS by WRITER`, for people and for tools such as fail2ban.
"""

import logging
from ipaddress import IPv6Address, ip_address

from rest_framework.throttling import BaseThrottle

logger = logging.getLogger("notes.security")


def ip_of(request):
    """Return the address that a request came from, as seen NOTES_PROXIES before this server, or None."""
    try:
        address = ip_address(BaseThrottle().get_ident(request))
    except ValueError:
        return None
    if address.version == 4:
        return address
    # Drop the zone of an IPv6 address: it may be any text.
    return address.ipv4_mapped or (IPv6Address(int(address)) if address.scope_id else address)


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
    return f"from {ip_of(request) or '-'} by {by or writer_of(request)}"


def log(event, request, *, by=None, key=None):
    """Log that a key was made or revoked, or a login. Give `by` if the request does not tell who the writer is."""
    logger.info("%s %s%s", event, origin(request, by), f": {key.writer_id}" if key else "")


def log_refusal(event, request, *, by=None):
    """Log a wrong key or password, or one request too many."""
    logger.warning("%s %s", event, origin(request, by))
