"""Who asks: programs with a key, and members of staff."""

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from notes.models import ApiKey, Writer


def client_with_key(key):
    client = APIClient()
    client.credentials(HTTP_X_API_KEY=key)
    return client


def make_staff(name, *permissions, **columns):
    """Return a member of staff with these permissions, such as "view_note"; without any: with all over notes."""
    user = get_user_model().objects.create_user(name, is_staff=True, **columns)
    over_notes = [f"{verb}_note" for verb in ("view", "add", "change", "delete")]
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions or over_notes))
    return user


def make_key(notebook, level="write", **columns):
    """Return (ApiKey, its text)."""
    maker = Writer(id="test", name="a test")
    return ApiKey.make(maker, **{"notebook": notebook, "level": level, "name": f"{level} key", **columns})
