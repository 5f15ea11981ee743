from datetime import timedelta

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from notes.management.arguments import days_in
from notes.models import Notebook, Receipt


class Command(BaseCommand):
    help = (
        "Erase the content of old revisions. A revision goes when it is older than --days and is not among the newest "
        "--keep of its note. The present never goes, nor does the record of who wrote when. Idempotency-Keys that are "
        "as old are forgotten."
    )

    def add_arguments(self, parser):
        parser.add_argument("--days", type=days_in, default=365)
        parser.add_argument("--keep", type=int, default=10)

    def handle(self, *, days, keep, **options):
        if keep < 1:
            raise CommandError("--keep must be 1 or more: the present never goes.")
        before = timezone.now() - timedelta(days=days)
        erased = 0
        for notebook in Notebook.objects.all():
            pks = list(notebook.notes.unpurged().values_list("pk", flat=True))
            for pk in tqdm(pks, desc=notebook.name, unit=" notes", disable=None):
                erased += notebook.notes.get(pk=pk).prune(before=before, keep=keep)
        Receipt.objects.filter(written_at__lt=before).delete()
        self.stdout.write(f"Erased the content of {erased} revisions.")
