"""How often a person may try a password."""

from axes.handlers.database import AxesDatabaseHandler
from django.conf import settings

from notes.api import audit
from notes.api.throttling import Window, address_of


class LoginHandler(AxesDatabaseHandler):
    """Counts wrong passwords per address, for any name: checking one is expensive. Axes counts per name and address.

    A password counts only once it is known to be wrong, so as many simultaneous tries as there are threads slip
    through.
    """

    def is_locked(self, request, credentials=None):
        window = window_of_logins(request)
        is_used_up = window is not None and window.counted_before() >= window.limit
        return is_used_up or super().is_locked(request, credentials)

    def user_login_failed(self, sender, credentials, request=None, **kwargs):
        window = window_of_logins(request)
        if window is not None and not request.axes_locked_out:
            window.count()
        if request:
            # Leave out the name: people sometimes type their password into that field.
            audit.log_refusal("login_refused" if request.axes_locked_out else "login_failed", request)
        super().user_login_failed(sender, credentials, request, **kwargs)

    def user_logged_in(self, sender, request, user, **kwargs):
        audit.log("logged_in", request, by=audit.id_of(user))
        super().user_logged_in(sender, request, user, **kwargs)


def window_of_logins(request):
    """Return the window that counts the wrong passwords of an address; None if there is no limit or no request.

    Wrong keys are counted elsewhere: a script with one must not keep people at its address from logging in.
    """
    rate = settings.NOTES_RATE_FAILURES
    return Window("logins", rate, address_of(request)) if rate and request else None


def login_name_of(request, credentials):
    """Return the name that somebody tries to log in with, cut to the width of the django-axes column."""
    return (credentials or request.POST).get("username", "")[:255]
