from datetime import timedelta

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from notes.door import erase, lock
from notes.management.arguments import days_in
from notes.models import Notebook, Receipt, TagRename

MAX_KEEP = 1_000_000
WRITES_AT_ONCE = 1_000


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
        if not 1 <= keep <= MAX_KEEP:
            raise CommandError(f"--keep must be from 1 to {MAX_KEEP}: the present never goes.")
        before = timezone.now() - timedelta(days=days)
        erased = 0
        for notebook in Notebook.objects.all():
            outdated = notebook.revisions.outdated(before=before, keep=keep)
            numbers = range(1, notebook.revision + 1, WRITES_AT_ONCE)
            for first in tqdm(numbers, desc=notebook.name, unit=" writes", unit_scale=WRITES_AT_ONCE, disable=None):
                some = outdated.filter(number__range=(first, first + WRITES_AT_ONCE - 1))
                # Most notebooks have nothing to erase, and their writers are not held up.
                if some.exists():
                    with lock(notebook):
                        erased += erase(some)
        Receipt.objects.filter(written_at__lt=before).delete()
        # No receipt names these renames any more: the receipt of each was written before the rename was done.
        TagRename.objects.filter(finished_at__lt=before).delete()
        self.stdout.write(f"Erased the content of {erased} revisions.")
