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
