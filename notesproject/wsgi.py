import os
import threading

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "notesproject.settings")

django_application = get_wsgi_application()

from django.conf import settings  # noqa: E402  (the settings are there once Django is set up)

from notes import renames, turns  # noqa: E402
from notesproject.framing import ExactBody  # noqa: E402


def in_turn(environ, start_response):
    with turns.at_work():
        return django_application(environ, start_response)


# The body is read before the turn is taken: a slow client keeps a thread, and nobody from work.
application = ExactBody(in_turn, max_bytes=settings.NOTES_MAX_REQUEST_BYTES)

threading.Thread(target=renames.finish_all, daemon=True).start()
