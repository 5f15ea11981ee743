from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from notes import transfer
from notes.management.errors import told
from notes.models import Notebook


class Command(BaseCommand):
    help = (
        "Write a notebook to standard output, with all of its history, while the service runs. import_notebook reads "
        "it back, on either database. Keys and receipts are not in it."
    )

    def add_arguments(self, parser):
        parser.add_argument("notebook", metavar="NAME")

    def handle(self, *, notebook, **options):
        try:
            its_notebook = Notebook.objects.get(name=notebook)
        except Notebook.DoesNotExist:
            raise CommandError(f"There is no notebook {notebook!r}.") from None
        with told("the export is not whole"), tqdm(total=its_notebook.revision + 2, unit=" lines", disable=None) as bar:
            for line in transfer.lines(its_notebook):
                self.stdout.buffer.write(line)
                bar.update()
            self.stdout.flush()
