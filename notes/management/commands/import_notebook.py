from functools import partial
from pathlib import Path

from django.core.management import BaseCommand, CommandError, call_command
from tqdm import tqdm

from notes import transfer
from notes.management.arguments import notebook_named
from notes.management.errors import told


class Command(BaseCommand):
    help = (
        "Read what export_notebook has written into an empty notebook: numbers, ids, dates and writers stay. The file "
        "is checked first, and written in one transaction: on SQLite, other writers wait for it. Then the notebook is "
        "verified. The exit code is 1 when something does not agree."
    )

    def add_arguments(self, parser):
        parser.add_argument("file", metavar="FILE", type=Path)
        parser.add_argument("--notebook", metavar="NAME", required=True, help="an empty one, as create_notebook makes")
        parser.add_argument(
            "--same-epoch",
            action="store_true",
            help="the original is retired, and its clients go on here; otherwise they are told to start again",
        )

    def handle(self, *, file, notebook, same_epoch, **options):
        its_notebook = notebook_named(notebook)
        bar = partial(tqdm, unit=" rows", disable=None)
        with told("nothing was imported"), file.open("rb") as opened:
            try:
                transfer.load(its_notebook, opened, bar, same_epoch=same_epoch)
            except transfer.Refused as error:
                raise CommandError(f"Nothing was imported: {error}") from None
        call_command("verify_notebook", notebook, stdout=self.stdout)
