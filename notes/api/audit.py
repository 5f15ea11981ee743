"""Who asked: the words of log lines that say it, and the lines of what concerns keys and logins.

Their one form is `EVENT from ADDRESS by WRITER`, for people and for tools such as fail2ban.
"""

import logging
from ipaddress import IPv6Address, ip_address

from rest_framework.throttling import BaseThrottle

logger = logging.getLogger("notes.security")


def ip_of(request):
    """Return the address that a request came from, NOTES_PROXIES before this server; None where it has none."""
    try:
        address = ip_address(BaseThrottle().get_ident(request))
    except ValueError:
        return None
    if address.version == 4:
        return address
    # Without its zone, which may be any text.
    return address.ipv4_mapped or (IPv6Address(int(address)) if address.scope_id else address)


def writer_of(request):
    """Return the id that the log of writes would bear, `user:<id>` for somebody who is no staff, or `-`. No query."""
    request = getattr(request, "_request", request)
    if key := getattr(request, "auth", None):
        return key.writer_id
    # Where nobody has asked for the user, none is looked up.
    user = getattr(request, "_cached_user", None)
    return id_of(user) if user and user.pk else "-"


def id_of(user):
    return f"{'staff' if user.is_staff else 'user'}:{user.pk}"


def origin(request, by=None):
    return f"from {ip_of(request) or '-'} by {by or writer_of(request)}"


def log(event, request, *, by=None, key=None):
    """Log that a key was made or revoked, or that somebody logged in. `by` is for a writer that the request hides."""
    logger.info("%s %s%s", event, origin(request, by), f": {key.writer_id}" if key else "")


def log_refusal(event, request, *, by=None):
    """Log a wrong key or password, or a request too many."""
    logger.warning("%s %s", event, origin(request, by))
