import uuid

from django.core.management.base import BaseCommand

from notes.models import Notebook


class Command(BaseCommand):
    help = (
        "Say that the notebooks have another history now. Run it after restoring a backup: clients that follow the "
        "changes are then told to start again (410, resync_required)."
    )

    def handle(self, **options):
        for notebook in Notebook.objects.all():
            Notebook.objects.filter(pk=notebook.pk).update(epoch=uuid.uuid4())
            self.stdout.write(f"{notebook.name}: new epoch")
