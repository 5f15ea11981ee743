"""Who is asking: a program with an API key, or a member of staff in a browser."""

import hmac

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication, SessionAuthentication

from notes import keys
from notes.api.problems import ExpiredKey, MalformedKey, RefusedKey, RevokedKey, WrongKey
from notes.api.throttling import FailureThrottle
from notes.models import ApiKey, Notebook


class OperatorKey:
    """The API_KEY of the environment: opens the default notebook at every level."""

    writer_id, name, level, expires_at = "operator", "API_KEY", "admin", None

    @property
    def notebook(self):
        return Notebook.objects.default()


class KeyAuthentication(BaseAuthentication):
    """Sets `request.auth` to the ApiKey, or the OperatorKey, of the X-API-Key header. One query.

    It stands first in the list of authenticators: that makes a missing key a 401, and lets a key beside an admin
    session in the same browser do without a CSRF token.
    """

    def authenticate(self, request):
        text = request.headers.get("X-API-Key")
        if text is None:
            return None
        failures = FailureThrottle(request)
        # WSGI hands over the bytes of a header as Latin-1, and API_KEY may be any text.
        text = text.encode("latin-1", "replace").decode("utf-8", "surrogateescape")
        try:
            key = key_of(text)
        except RefusedKey:
            failures.count()
            raise
        if isinstance(key, ApiKey):
            # Known, and so no guess: a device with an old key must not use up the guesses of its whole address.
            raise_401_if_closed(key)
            key.record_use()
        else:
            # A person may have chosen this one: whoever guesses at it must not learn that the last guess was right.
            # The others are beyond guessing, and stay good for those who share their address with an attacker.
            failures.raise_429_if_used_up()
        return AnonymousUser(), key

    def authenticate_header(self, request):
        return 'ApiKey realm="notes", header="X-API-Key"'


def key_of(text):
    """Return the OperatorKey or the ApiKey, whether it is good or not; a RefusedKey where there is none."""
    # Digests, as compare_digest refuses non-ASCII text; and they tell nothing of the length.
    if hmac.compare_digest(keys.digest(text), keys.digest(settings.API_KEY)):
        return OperatorKey()
    if not keys.is_well_formed(text):
        raise MalformedKey
    key = ApiKey.objects.select_related("notebook").filter(digest=keys.digest(text)).first()
    if key is None:
        raise WrongKey
    return key


def raise_401_if_closed(key):
    if key.revoked_at:
        raise RevokedKey(key.writer_id)
    if key.has_expired:
        raise ExpiredKey(key.writer_id)


class StaffSessionAuthentication(SessionAuthentication):
    """The session of somebody who is logged in, with CSRF. Only members of staff get anywhere with it."""
