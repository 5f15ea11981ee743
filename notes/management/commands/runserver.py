from django.conf import settings
from django.contrib.staticfiles.management.commands import runserver
from django.core.management.base import CommandError

from notes import database_file


class Command(runserver.Command):
    """Django's own, but it does not start if the SQLite file was lost."""

    def execute(self, *args, **options):
        problem = database_file.problem_of(settings.DATABASES["default"])
        if problem:
            raise CommandError(problem)
        return super().execute(*args, **options)
