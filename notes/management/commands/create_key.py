from datetime import UTC, datetime, time

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from notes.management.arguments import notebook_named
from notes.models import LEVELS, ApiKey, Notebook, Writer


class Command(BaseCommand):
    help = "Make an API key and print it, alone and this once, on standard output."

    def add_arguments(self, parser):
        parser.add_argument("name", metavar="NAME", help="what the key is for, e.g. phone")
        parser.add_argument("--level", choices=LEVELS, required=True)
        parser.add_argument("--notebook", metavar="NOTEBOOK", default=Notebook.DEFAULT_NAME)
        parser.add_argument("--expires", metavar="DATE", help="a date (its end, UTC) or a time, e.g. 2027-01-31")

    def handle(self, *, name, level, notebook, expires, **options):
        try:
            ApiKey._meta.get_field("name").clean(name, None)
        except ValidationError as error:
            raise CommandError(f"NAME: {' '.join(error.messages)}") from None
        its_notebook = notebook_named(notebook)
        by = Writer.command("create_key")
        expires_at = None if expires is None else moment(expires)
        _, text = ApiKey.make(by, notebook=its_notebook, name=name, level=level, expires_at=expires_at)
        self.stdout.write(text)


def moment(text):
    """Return the time that the text names; a date means its end. Without an offset it is in UTC."""
    try:
        date, parsed = parse_date(text), parse_datetime(text)
        if date:
            parsed = datetime.combine(date, time.max)
        if parsed.tzinfo is None:
            parsed = parsed.replace(tzinfo=UTC)
        parsed = parsed.astimezone(UTC)
    except (AttributeError, ValueError, OverflowError):
        raise CommandError(f"--expires {text!r} is no date. Write 2027-01-31 or 2027-01-31T12:00:00Z.") from None
    if parsed <= timezone.now():
        raise CommandError(f"--expires {text!r} is over already.")
    return parsed
