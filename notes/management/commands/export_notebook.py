from django.core.management.base import BaseCommand
from tqdm import tqdm

from notes import transfer
from notes.management.arguments import notebook_named
from notes.management.errors import told


class Command(BaseCommand):
    help = (
        "Write a notebook to standard output, with all of its history, while the service runs. import_notebook reads "
        "it back, on either database. Keys and receipts are not in it."
    )

    def add_arguments(self, parser):
        parser.add_argument("notebook", metavar="NAME")

    def handle(self, *, notebook, **options):
        its_notebook = notebook_named(notebook)
        with told("the export is not whole"), tqdm(total=its_notebook.revision + 2, unit=" lines", disable=None) as bar:
            for line in transfer.lines(its_notebook):
                self.stdout.buffer.write(line)
                bar.update()
            self.stdout.flush()
