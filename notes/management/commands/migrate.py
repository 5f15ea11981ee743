from django.core.management.commands import migrate
from django.db import connections

from notes import databases


class Command(migrate.Command):
    """Django's own, but it may create the SQLite file, which the service opens only when it is there."""

    def execute(self, *args, **options):
        connection = connections[options["database"]]
        path = databases.file_of(connection.settings_dict)
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
        if connection.vendor == "postgresql":
            # An index over a million notes takes longer than any request may.
            with connection.cursor() as cursor:
                cursor.execute("SET statement_timeout = 0")
        return super().execute(*args, **options)
