from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection

from notes import backups, databases
from notes.management.arguments import number_from_one
from notes.management.errors import told


def default_folder():
    """Return a folder beside SQLite's file, where the service may write."""
    database = databases.file_of(connection.settings_dict)
    return (database.parent if database else settings.BASE_DIR) / "backups"


class Command(BaseCommand):
    help = (
        "Copy the database to PATH while the service runs, with a checksum beside it. SQLite: a checked database file. "
        "PostgreSQL: an archive of pg_dump. Never copy the file of a running SQLite database by other means."
    )

    # A fault of the service must not prevent its backup.
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument(
            "path",
            metavar="PATH",
            type=Path,
            nargs="?",
            help="the file to write, or a folder for one that is named by the time (default: backups beside SQLite)",
        )
        parser.add_argument("--force", action="store_true", help="replace PATH if it is there")
        parser.add_argument(
            "--keep",
            metavar="N",
            type=number_from_one,
            help="then delete all but the newest N backups that this command has written into the same folder",
        )

    def handle(self, *, path, force, keep, **options):
        with told("there is no new backup"):
            if path is None:
                path = default_folder()
                path.mkdir(mode=0o700, exist_ok=True)
            if path.is_dir():
                path /= f"notes-{datetime.now(UTC):%Y%m%dT%H%M%SZ}{backups.engine().ENDING}"
            # Resolve links once, so that the file that is checked is the file that is replaced.
            path = path.resolve()
            sha256 = backups.make(path, force=force)
        self.stdout.write(f"{path}: {path.stat().st_size} bytes")
        try:
            backups.take_note(path, sha256)
            for older in backups.delete_older(path.parent, keep) if keep else ():
                self.stdout.write(f"{older}: deleted")
        except DatabaseError as error:
            self.stderr.write(f"The backup is whole, but the database took no note of it: {error}")
