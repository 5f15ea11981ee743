import os
import sys
import threading

import django
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "notesproject.settings")

from notes import database_file, turns
from notes.api.bodies import ExactBody
from notesproject.handler import Handler

problem = database_file.problem_of(settings.DATABASES["default"])
if problem:
    sys.exit(problem)

django.setup()
django_application = Handler()

from notes import renames  # noqa: E402  (its models are there once Django is set up)


def in_turn(environ, start_response):
    with turns.at_work():
        return django_application(environ, start_response)


# The body is read before the turn is taken: a slow client occupies a thread, but keeps nobody from work.
application = ExactBody(in_turn, max_bytes=settings.NOTES_MAX_REQUEST_BYTES)

threading.Thread(target=renames.finish_all, daemon=True).start()
