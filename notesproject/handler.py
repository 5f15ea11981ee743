"""Django's handler, twice: for browsers with every middleware, for programs without those that only pages need."""

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler


class ProgramHandler(WSGIHandler):
    def load_middleware(self, is_async=False):
        every = settings.MIDDLEWARE
        settings.MIDDLEWARE = [name for name in every if name not in settings.BROWSER_MIDDLEWARE]
        try:
            super().load_middleware(is_async)
        finally:
            settings.MIDDLEWARE = every


class Handler:
    """A WSGI application. Django must be set up."""

    def __init__(self):
        # Its models are there once Django is set up.
        from notes.api.answers import Answers

        self.for_browsers = WSGIHandler()
        self.for_programs = ProgramHandler()
        if settings.NOTES_ANSWERS_BYTES:
            self.for_programs = Answers(self.for_programs, settings.NOTES_ANSWERS_BYTES)

    def __call__(self, environ, start_response):
        handler = self.for_programs if is_of_program(environ) else self.for_browsers
        return handler(environ, start_response)


def is_of_program(environ):
    """Tell whether a request to the API has no session and wants no page."""
    return (
        environ["PATH_INFO"].startswith("/api/")
        and "HTTP_COOKIE" not in environ
        and "text/html" not in environ.get("HTTP_ACCEPT", "")
    )
