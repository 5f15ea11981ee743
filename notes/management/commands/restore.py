from pathlib import Path

from django.core.management import BaseCommand, call_command

from notes import backups
from notes.backups.files import raise_if_changed
from notes.management.errors import told
from notes.models import Notebook


class Command(BaseCommand):
    help = (
        "Build a database from a backup and put it in place while the service is stopped. Until the last step the "
        "database is as it was, whatever happens. PostgreSQL: needs pg_restore."
    )
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("file", metavar="FILE", type=Path, help="the backup")
        parser.add_argument("--replace", action="store_true", help="replace the database that is there; keep it aside")

    def handle(self, *, file, replace, **options):
        with told("the database is as it was"):
            path = file.resolve()
            raise_if_changed(path)
            backups.refuse_to_replace(replace=replace)
            with backups.built_from(path) as name:
                with backups.connected_to(name):
                    call_command("renew_epoch", stdout=self.stdout)
                    is_indexed = not Notebook.objects.wrongly_indexed().exists()
                aside = backups.put_in_place(name)
        if aside:
            self.stdout.write(f"The database that was there is now {aside}.")
        self.stdout.write(f"Restored from {path}. Start the service.")
        if not is_indexed:
            self.stdout.write("An older version wrote it: searches miss notes until you run manage.py rebuild_search.")
