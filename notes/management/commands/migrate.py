from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import DatabaseError, connections

from notes import database_file, databases


class Command(migrate.Command):
    """Django's own, but it may create the SQLite file. The service only opens a file that exists."""

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument(
            "--existing",
            action="store_true",
            help="Never create a SQLite database: fail when its file is not there or has no tables. For every start.",
        )

    def execute(self, *args, **options):
        connection = connections[options["database"]]
        path = databases.file_of(connection.settings_dict)
        if path and options["existing"]:
            raise_if_lost(connection, path)
        elif path:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
        if connection.vendor == "postgresql":
            # An index over a million notes takes longer than any request may.
            with connection.cursor() as cursor:
                cursor.execute("SET statement_timeout = 0")
        return super().execute(*args, **options)


def raise_if_lost(connection, path):
    problem = database_file.problem_of(connection.settings_dict)
    if problem:
        raise CommandError(problem)
    try:
        tables = connection.introspection.table_names()
    except DatabaseError as error:
        raise CommandError(f"The database {path} cannot be read: {error}.") from error
    if "django_migrations" not in tables:
        raise CommandError(f"The database {path} has no tables: put it back, or make them with manage.py migrate.")
