import sys
from collections import Counter
from functools import partial
from pathlib import Path

from django.core.management.base import BaseCommand
from tqdm import tqdm

from notes import exporting
from notes.management.arguments import notebook_named
from notes.management.errors import told
from notes.markdown import printable
from notes.models import Notebook


class Command(BaseCommand):
    help = (
        "Write each note of a notebook to FOLDER as a Markdown file with front matter, named by its title and id. "
        "Export again, and only what has changed since is written or removed: .notes.json in the folder remembers the "
        "rest. A file that somebody changed, or that was there before, is named and left as it is; the exit code is "
        "then 1."
    )

    def add_arguments(self, parser):
        parser.add_argument("path", metavar="FOLDER", type=Path, help="where the files go; it is made if need be")
        parser.add_argument("--notebook", metavar="NAME", default=Notebook.DEFAULT_NAME, help="whose notes")

    def handle(self, *, path, notebook, **options):
        its_notebook = notebook_named(notebook)
        counts = Counter()
        with told("the folder is not up to date; run it again to go on"):
            path.mkdir(exist_ok=True)
            self.export(its_notebook, path, counts)
        self.stdout.write(", ".join(f"{outcome} {counts[outcome]}" for outcome in exporting.OUTCOMES))
        if counts[exporting.LEFT]:
            sys.exit(1)

    def export(self, notebook, path, counts):
        # disable=None: silent if stderr is not a terminal.
        bar = partial(tqdm, unit=" notes", disable=None)
        for name, outcome in exporting.export_notes(notebook, path, watched=bar):
            counts[outcome] += 1
            if outcome == exporting.LEFT:
                with tqdm.external_write_mode():
                    self.stderr.write(f"{printable(name)}: somebody else made or changed it; it is left as it is")
