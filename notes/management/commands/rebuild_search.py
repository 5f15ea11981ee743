from django.core.management.base import BaseCommand
from django.db import transaction
from tqdm import tqdm

from notes import databases
from notes.door import lock, recount_all
from notes.models import Note, Notebook
from notes.search import index

CHUNK_NOTES = 500


class Command(BaseCommand):
    help = (
        "Make the search index and the counts of notes and tags anew from the notes, while the service runs: until it "
        "is done, searches find only what is in it again. Needed when `check --database default`, or `migrate`, asks "
        "for it."
    )

    def add_arguments(self, parser):
        parser.add_argument("--counts", action="store_true", help="the counts alone, which takes seconds")

    def handle(self, *, counts=False, **options):
        if counts:
            for notebook in Notebook.objects.all():
                with lock(notebook):
                    recount_all(notebook)
            return
        with transaction.atomic():
            # Lock the notebooks first, as writers do: they lock them before the index.
            Notebook.objects.index_has_changed(index.UNFINISHED)
            index.clear()
        count = 0
        with tqdm(total=Note.objects.live().count(), unit=" notes", disable=None) as bar:
            for notebook in Notebook.objects.all():
                with lock(notebook):
                    recount_all(notebook)
                for notes in indexed_chunks(notebook):
                    count += notes
                    bar.update(notes)
        self.stdout.write(f"The index has {count} notes.")


def indexed_chunks(notebook):
    """Index one chunk of notes after the other and yield the size of each. Others may write between two chunks."""
    itself, last = Notebook.objects.filter(pk=notebook.pk), None
    while True:
        with databases.giving_way(), lock(notebook):
            notes = notebook.notes.live().order_by("position")
            chunk = list((notes if last is None else notes.filter(position__gt=last))[:CHUNK_NOTES])
            if not chunk:
                itself.index_has_changed(index.FORMAT)
                return
            index.refresh(chunk)
            itself.index_has_changed(index.UNFINISHED)
        last = chunk[-1].position
        yield len(chunk)
