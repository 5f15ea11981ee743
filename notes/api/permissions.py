"""Who may do what: an access is a notebook, a level, and the writer that its writes are logged under."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from rest_framework.permissions import SAFE_METHODS, BasePermission

from notes import models
from notes.models import Notebook, Writer

# A stranger in a public notebook has the level "public": they see its live notes, and nothing of its past.
LEVELS = ["public", *models.LEVELS]

# Admin permissions of staff. A writer needs all of WRITES, because writing includes creating and deleting. A reader
# needs one of READS.
WRITES = ["notes.add_note", "notes.change_note", "notes.delete_note"]
READS = ["notes.view_note", "notes.change_note"]


@dataclass(frozen=True)
class Access:
    notebook: Notebook
    level: str
    writer: Writer | None = None
    expires_at: datetime | None = None


def access_of(request):
    """Return the Access of this request, or None for a stranger if strangers may not read.

    One query at most, plus two for the permissions of a member of staff who is no superuser.
    """
    key = request.auth
    if key:
        return Access(key.notebook, key.level, Writer(key.writer_id, key.name, request.id), key.expires_at)
    if level := level_of_staff(request.user):
        return Access(Notebook.objects.default(), level, Writer.staff(request.user, request.id))
    if settings.NOTES_PUBLIC_READS:
        notebook = Notebook.objects.default()
        return Access(notebook, "public") if notebook.public else None
    return None


def level_of_staff(user):
    """Return the level of a user with a session, by their permissions in the admin. None for a stranger."""
    if not user.is_staff:
        return None
    if user.is_superuser:
        return "admin"
    if user.has_perms(WRITES):
        return "write"
    return "read" if any(user.has_perm(permission) for permission in READS) else None


class NotebookPermission(BasePermission):
    """Lets in whoever has the level that the method needs.

    A view may ask for more: `needs = {"GET": "read"}` lets no stranger in.
    """

    def has_permission(self, request, view):
        reads = request.method in SAFE_METHODS
        needs = getattr(view, "needs", {})
        needed = needs.get("GET", "public") if reads else needs.get(request.method, "write")
        level = view.access.level if view.access else "none"
        self.message = f"This needs the level {needed}; yours is {level}."
        return view.access is not None and LEVELS.index(level) >= LEVELS.index(needed)


class Public(BasePermission):
    """Marks a view as open to everybody on purpose: it shows nothing of any notebook."""

    def has_permission(self, request, view):
        return True


class Closed(BasePermission):
    """The default, for views that name no permission: nobody gets in."""

    def has_permission(self, request, view):
        return False
