from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from notes.models import ApiKey


class Command(BaseCommand):
    help = "Close an API key for good. list_keys shows the ids."

    def add_arguments(self, parser):
        parser.add_argument("id", metavar="ID", type=UUID)

    def handle(self, *, id, **options):
        key = ApiKey.objects.filter(pk=id).first()
        if key is None:
            raise CommandError(f"There is no key {id}. See list_keys.")
        if not key.revoke():
            raise CommandError(f"The key {key.name!r} was revoked before.")
        self.stdout.write(f"Revoked the key {key.name!r}.")
