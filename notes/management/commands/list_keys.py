from django.core.management.base import BaseCommand

from notes.management.arguments import notebook_named
from notes.models import ApiKey


class Command(BaseCommand):
    help = "List the API keys: id, notebook, level, state, last use and name, separated by tabs."

    def add_arguments(self, parser):
        parser.add_argument("--notebook", metavar="NOTEBOOK", help="only the keys of this one")

    def handle(self, *, notebook, **options):
        keys = ApiKey.objects.select_related("notebook").order_by("notebook__name", "created_at")
        if notebook is not None:
            keys = keys.filter(notebook=notebook_named(notebook))
        for key in keys:
            used = f"last used {key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used"
            self.stdout.write("\t".join([str(key.pk), key.notebook.name, key.level, key.state, used, key.name]))
