"""Every question about many rows, by name."""

from django.db import models


class NotebookQuerySet(models.QuerySet):
    DEFAULT = "default"

    def default(self):
        """Return the notebook of the operator's API_KEY, of the staff, and of readers without a key."""
        return self.get(name=self.DEFAULT)


class NoteQuerySet(models.QuerySet):
    def live(self):
        return self.filter(deleted_at=None)

    def trashed(self):
        return self.filter(deleted_at__isnull=False, purged_at=None)

    def unpurged(self):
        return self.filter(purged_at=None)

    def changed_after(self, number):
        """Return each note whose last write came after this one, in order of those writes; deleted ones too."""
        return self.filter(revision__gt=number).order_by("revision")


class RevisionQuerySet(models.QuerySet):
    def kept(self):
        return self.filter(body__isnull=False)

    def erase(self):
        """Erase the content; who wrote, when and what was done stays."""
        return self.update(title=None, body=None, tags=None)


class ApiKeyQuerySet(models.QuerySet):
    def unrevoked(self):
        return self.filter(revoked_at=None)
