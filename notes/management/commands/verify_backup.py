from pathlib import Path

from django.core.management import BaseCommand, CommandError, call_command
from django.db import DatabaseError

from notes import backups
from notes.backups.files import raise_if_changed
from notes.management.errors import told
from notes.models import Backup, Notebook


class Command(BaseCommand):
    help = (
        "Build a database from a backup, beside the running one, check it as verify_notebook does, and remove it. The "
        "exit code is 1 when something does not agree. PostgreSQL: needs pg_restore."
    )
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument(
            "file", metavar="FILE", type=Path, nargs="?", help="the backup; without it, the last one that was made"
        )

    def handle(self, *, file, **options):
        with told("the backup is not verified"):
            path = (file or last_written()).resolve()
            sha256, had_checksum = raise_if_changed(path)
            if not had_checksum:
                self.stderr.write("There is no checksum beside it.")
            with backups.built_from(path) as name, backups.connected_to(name):
                if Notebook.objects.wrongly_indexed().exists():
                    # An older version wrote it.
                    call_command("rebuild_search", stdout=self.stdout)
                call_command("verify_notebook", stdout=self.stdout)
        self.stdout.write(f"{path}: whole")
        try:
            if not backups.take_note_of_verified(sha256):
                self.stderr.write("The running database does not know of this backup: it took no note.")
        except DatabaseError as error:
            self.stderr.write(f"The backup is whole, but the database took no note of it: {error}")


def last_written():
    last = Backup.objects.order_by("pk").last()
    if last is None:
        raise CommandError("The database knows of no backup: name a file.")
    return Path(last.path)
