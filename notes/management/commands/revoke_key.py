from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from notes.models import ApiKey


class Command(BaseCommand):
    help = "Close an API key for good. list_keys shows the ids."

    def add_arguments(self, parser):
        parser.add_argument("id", metavar="ID")

    def handle(self, *, id, **options):
        try:
            key = ApiKey.objects.filter(pk=UUID(id)).first()
        except ValueError:
            # Do not repeat the argument: somebody may have pasted the key itself.
            raise CommandError("ID is not the id of a key. See list_keys.") from None
        if key is None:
            raise CommandError(f"There is no key {id}. See list_keys.")
        if not key.revoke():
            raise CommandError(f"The key {key.name!r} was revoked before.")
        self.stdout.write(f"Revoked the key {key.name!r}.")
