from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from notes.models import Notebook


class Command(BaseCommand):
    help = "Make a notebook. Then make keys for it with create_key."

    def add_arguments(self, parser):
        parser.add_argument("name", metavar="NAME")

    def handle(self, *, name, **options):
        try:
            Notebook._meta.get_field("name").clean(name, None)
        except ValidationError as error:
            raise CommandError(f"NAME: {' '.join(error.messages)}") from None
        notebook, created = Notebook.objects.get_or_create(name=name)
        if not created:
            raise CommandError(f"There is a notebook {name!r} already.")
        self.stdout.write(f"Made the notebook {notebook.name!r}.")
