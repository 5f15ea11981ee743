"""Who is asking: a program with an API key, or a member of staff in a browser."""

import hmac
import re

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import ValidationError

from notes import keys
from notes.api.problems import ExpiredKey, MalformedKey, RefusedKey, RevokedKey, WrongKey
from notes.api.throttling import FailureThrottle
from notes.models import ApiKey, Notebook

# RFC 6750, 2.1. Other schemes are left to whoever stands in front of the service.
BEARER = re.compile(r"bearer(?:[ \t]+(.*))?", re.IGNORECASE | re.DOTALL)


class OperatorKey:
    """The API_KEY of the environment. It opens the default notebook, with the level admin."""

    writer_id, name, level, expires_at = "operator", "API_KEY", "admin", None

    @property
    def notebook(self):
        return Notebook.objects.default()


class KeyAuthentication(BaseAuthentication):
    """Sets `request.auth` to the ApiKey or OperatorKey of X-API-Key, or of Authorization: Bearer. One query.

    It must be the first authenticator: then a missing key is a 401. A request with a key needs no CSRF token then,
    even from a browser with an admin session.
    """

    def authenticate(self, request):
        text = text_of_key(request)
        if text is None:
            return None
        failures = FailureThrottle(request)
        # WSGI decodes the bytes of a header as Latin-1, but API_KEY may be any text.
        text = text.encode("latin-1", "replace").decode("utf-8", "surrogateescape")
        try:
            key = self.key_of(text)
        except RefusedKey:
            failures.count()
            raise
        if isinstance(key, ApiKey):
            # A known key is no guess: a device with an old key must not use up the guesses of its whole address.
            raise_401_if_closed(key)
            key.record_use()
        else:
            # A person may have chosen API_KEY, so it can be guessed. Once no guess is left, refuse even the right
            # one, so that the attacker does not learn it. An ApiKey cannot be guessed: it keeps working for those who
            # share an attacker's address.
            failures.raise_429_if_used_up()
        return AnonymousUser(), key

    def key_of(self, text):
        return key_of(text)

    def authenticate_header(self, request):
        return 'ApiKey realm="notes", header="X-API-Key", Bearer realm="notes"'


def text_of_key(request):
    """Return the key that the request bears, or None. It may bear one key in both headers, but not two keys."""
    own, bearer = request.META.get("HTTP_X_API_KEY"), BEARER.fullmatch(request.META.get("HTTP_AUTHORIZATION", ""))
    if bearer is None:
        return own
    text = bearer[1] or ""
    if own is not None and own != text:
        raise ValidationError({"Authorization": ["X-API-Key has another key. Send one key, in either header."]})
    return text


def key_of(text):
    """Return the OperatorKey or the ApiKey, even a revoked or expired one. Raise a RefusedKey if there is none."""
    # Compare digests: compare_digest refuses non-ASCII text, and digests hide the length of the key.
    if hmac.compare_digest(keys.digest(text), keys.digest(settings.API_KEY)):
        return OperatorKey()
    if not keys.is_well_formed(text):
        raise MalformedKey
    key = ApiKey.objects.with_digest(keys.digest(text))
    if key is None:
        raise WrongKey
    return key


def raise_401_if_closed(key):
    if key.revoked_at:
        raise RevokedKey(key.writer_id)
    if key.has_expired:
        raise ExpiredKey(key.writer_id)


class StaffSessionAuthentication(SessionAuthentication):
    """The session of a logged-in user, with CSRF. `level_of_staff` gives a level to members of staff only."""
