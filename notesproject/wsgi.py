import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "notesproject.settings")

django_application = get_wsgi_application()

from django.conf import settings  # noqa: E402  (the settings are there once Django is set up)

from notesproject.framing import ExactBody  # noqa: E402

application = ExactBody(django_application, max_bytes=settings.NOTES_MAX_REQUEST_BYTES)
