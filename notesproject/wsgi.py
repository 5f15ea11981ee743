import os
import sys
import threading

import django
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "notesproject.settings")

from notes import database_file
from notes.api.bodies import ExactBody
from notesproject.handler import Handler

problem = database_file.problem_of(settings.DATABASES["default"])
if problem:
    sys.exit(problem)

django.setup()
application = ExactBody(Handler(), max_bytes=settings.NOTES_MAX_REQUEST_BYTES)

from notes import renames  # noqa: E402  (its models are there once Django is set up)

threading.Thread(target=renames.finish_all, daemon=True).start()
