from datetime import timedelta

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone
from tqdm import tqdm

from notes import databases
from notes.door import Door
from notes.management.arguments import days_in
from notes.models import Notebook, Writer
from notes.search import index


class Command(BaseCommand):
    help = "Erase for good what has been in the trash for longer than NOTES_TRASH_DAYS."

    def add_arguments(self, parser):
        days = settings.NOTES_TRASH_DAYS
        parser.add_argument("--days", type=days_in, default=days, help="instead of NOTES_TRASH_DAYS")

    def handle(self, *, days, **options):
        by = Writer.command("empty_trash")
        before = timezone.now() - timedelta(days=days)
        purged = 0
        for notebook in Notebook.objects.all():
            old = notebook.notes.trashed().filter(deleted_at__lt=before)
            pks = list(old.order_by("pk").values_list("pk", flat=True))
            for pk in tqdm(pks, desc=notebook.name, unit=" notes", disable=None):
                with databases.giving_way(), Door(notebook, by) as door:
                    # Somebody may have restored the note since the list was made.
                    note = old.filter(pk=pk).first()
                    if note:
                        door.purge(note)
                        purged += 1
        index.erase()
        self.stdout.write(f"Erased {purged} notes that were in the trash for more than {days} days.")
