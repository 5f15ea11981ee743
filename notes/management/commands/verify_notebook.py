import sys
from functools import partial

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from notes import verification
from notes.models import Notebook


class Command(BaseCommand):
    help = (
        "Check that log, notes, trash, tags and search index of a notebook agree, while the service runs. The exit "
        "code is 1 when they do not."
    )

    def add_arguments(self, parser):
        parser.add_argument("notebook", nargs="*", metavar="NAME", help="which notebooks; all of them without a name")

    def handle(self, *, notebook, **options):
        notebooks = Notebook.objects.filter(name__in=notebook) if notebook else Notebook.objects.all()
        missing = set(notebook) - {one.name for one in notebooks}
        if missing:
            raise CommandError(f"There is no notebook {', '.join(sorted(missing))}.")
        failed = False
        for one in notebooks:
            bar = partial(tqdm, unit=" notes", desc=one.name, disable=None)
            problems = list(verification.problems(one, watched=bar))
            failed = failed or bool(problems)
            for line in [*(problems or [f"{one.revision} writes, all in agreement"]), verification.summary(one)]:
                self.stdout.write(f"{one.name}: {line}")
        if failed:
            sys.exit(1)
