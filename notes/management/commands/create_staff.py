import secrets

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "For development: make the first superuser, and print name and password, this once. Otherwise do nothing."

    def handle(self, **options):
        people = get_user_model().objects
        if settings.DEBUG and not people.exists():
            password = secrets.token_urlsafe(12)
            people.create_superuser("admin", password=password)
            self.stdout.write(f"Your login at /admin/, shown this once:\n\n    admin   {password}\n")
