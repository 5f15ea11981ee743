"""Who is asking: a program with an API key, or a member of staff in a browser."""

import hashlib
import hmac
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed


@dataclass(frozen=True)
class OperatorKey:
    """The API_KEY of the environment."""

    id: str = "operator"
    name: str = "API_KEY"
    level: str = "admin"


class KeyAuthentication(BaseAuthentication):
    """Stands first in the list of authenticators: it makes a missing key a 401, and a key beside an admin session in
    the same browser is then not asked for a CSRF token."""

    def authenticate(self, request):
        text = request.headers.get("X-API-Key")
        if text is None:
            return None
        # Digests of bytes: compare_digest refuses non-ASCII text, and the digests hide the length too.
        if not hmac.compare_digest(digest(text), digest(settings.API_KEY)):
            raise AuthenticationFailed("This API key is not known. Check the X-API-Key header.", code="wrong_key")
        return AnonymousUser(), OperatorKey()

    def authenticate_header(self, request):
        return 'ApiKey realm="notes", header="X-API-Key"'


def digest(text):
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


class StaffSessionAuthentication(SessionAuthentication):
    """The session of somebody who is logged in, with CSRF. Only members of staff get anywhere with it."""
