"""A notebook is a numbered log of writes: Note is the present, Revision the past.

Every write goes through a verb here (`notebook.create_note`, `note.edit`, `note.trash`), which takes the notebook's
next number, stores the note and appends the log row in one transaction.
"""

import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import uuid_utils.compat
from django.db import Error, connection, models, transaction
from django.db.models import Q
from django.utils import timezone

from notes import keys
from notes.querysets import ApiKeyQuerySet, NotebookQuerySet, NoteQuerySet, RevisionQuerySet
from notes.tags import normalize

LEVELS = ["read", "write", "admin"]
MAX_TITLE_CHARS = 200
CONTENT = ["title", "body", "tags"]


@dataclass(frozen=True)
class Writer:
    """Who writes, and in which request: what the log keeps beside the content.

    `id` is `operator`, `key:<id>`, `staff:<user id>` or `command:<name>`; `name` is what people call it at that time.
    Both are plain text, so that the trail outlives key and user.
    """

    id: str
    name: str
    request_id: str = ""


class NoteHasChanged(Exception):
    """The row was read before the notebook was locked, and another write came between."""


class Notebook(models.Model):
    name = models.CharField(max_length=100, unique=True)
    revision = models.PositiveBigIntegerField("number of the last write", default=0, db_default=0, editable=False)
    # Names this history. A restored backup gets another one, so that a client cannot take one history for the other.
    epoch = models.UUIDField(default=uuid.uuid4, editable=False)
    public = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Strangers may read it. Counts for the default notebook alone, while NOTES_PUBLIC_READS is True.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = NotebookQuerySet.as_manager()

    is_locked = False

    def __str__(self):
        return self.name

    @contextmanager
    def locked(self):
        """Hold this notebook against all other writers until the block ends; what is read inside is the present.

        One transaction. Inside a block of the same object it does nothing more. SQLite locks the whole file (BEGIN
        IMMEDIATE), PostgreSQL this row.
        """
        if self.is_locked:
            yield
            return
        with transaction.atomic():
            present = Notebook.objects.select_for_update().only("revision").get(pk=self.pk)
            self.revision = present.revision
            self.is_locked = True
            try:
                yield
            finally:
                self.is_locked = False

    def create_note(self, by, *, title, body="", tags=(), uuid=None, created_at=None, updated_at=None):
        """Return the new note. An `uuid` that this notebook knows already is an IntegrityError."""
        now = timezone.now()
        note = Note(
            notebook=self,
            created_at=created_at or updated_at or now,
            updated_at=updated_at or created_at or now,
        )
        if uuid is not None:
            note.uuid = uuid
        note._write(Revision.CREATE, by, title=title, body=body, tags=normalize(tags))
        return note


class Note(models.Model):
    # The number is for the database alone. `uuid`, the API's id, is unique within a notebook and not beyond: that an
    # id is taken must not tell one notebook what another one holds.
    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField("id", default=uuid_utils.compat.uuid7, editable=False)
    notebook = models.ForeignKey(Notebook, models.PROTECT, related_name="notes", editable=False)
    title = models.CharField(max_length=MAX_TITLE_CHARS)
    body = models.TextField(blank=True)
    tags = models.JSONField(default=list, blank=True)
    revision = models.PositiveBigIntegerField("number of the write that last changed it", editable=False)
    created_at = models.DateTimeField(editable=False)
    updated_at = models.DateTimeField(editable=False)
    deleted_at = models.DateTimeField(null=True, editable=False)
    purged_at = models.DateTimeField(null=True, editable=False)

    objects = NoteQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["notebook", "uuid"], name="note_uuid"),
            models.UniqueConstraint(fields=["notebook", "revision"], name="note_revision"),
        ]
        indexes = [
            models.Index(
                fields=["notebook", "-created_at", "-uuid"], condition=Q(deleted_at=None), name="note_live_newest"
            ),
            models.Index(
                fields=["notebook", "-deleted_at", "-uuid"],
                condition=Q(deleted_at__isnull=False, purged_at=None),
                name="note_trashed_newest",
            ),
        ]

    def __str__(self):
        return self.title

    def edit(self, by, **changes):
        """Change the columns given and return True; return False, and take no number, where they are so already."""
        if "tags" in changes:
            changes["tags"] = normalize(changes["tags"])
        changes = {name: value for name, value in changes.items() if getattr(self, name) != value}
        if not changes:
            return False
        # A clock set back must not make the note older than it was.
        self._write(Revision.EDIT, by, **changes, updated_at=max(timezone.now(), self.updated_at))
        return True

    def trash(self, by):
        """Put the note out of sight. Its content stays."""
        self._write(Revision.TRASH, by, deleted_at=timezone.now())

    def restore(self, by):
        """Take the note out of the trash and return True; return False where it is not in it."""
        if self.deleted_at is None:
            return False
        self._write(Revision.RESTORE, by, deleted_at=None)
        return True

    def purge(self, by):
        """Erase content and history for good. The row stays as a tombstone, the log rows say who wrote and when."""
        now = timezone.now()
        with self.notebook.locked():
            self._write(
                Revision.PURGE, by, title="", body="", tags=[], deleted_at=self.deleted_at or now, purged_at=now
            )
            self.revisions.all().erase()

    def prune(self, *, before, keep):
        """Erase the content of revisions written before that time, but of the newest `keep`; return of how many."""
        numbers = list(self.revisions.order_by("-number").values_list("number", flat=True)[:keep])
        old = self.revisions.kept().filter(written_at__lt=before, number__lt=numbers[-1])
        with self.notebook.locked():
            return old.erase()

    def _write(self, action, by, **columns):
        """The one door: take the next number, store the columns, append to the log.

        Raises NoteHasChanged when this object is not the note's present, and then nothing is stored.
        """
        with self.notebook.locked():
            # Nobody else counts while the lock is held: the order of commits is the order of numbers.
            number = self.notebook.revision + 1
            read_at_revision, columns["revision"] = self.revision, number
            # Compare and set: an UPDATE of the row as it was read, of these columns only. save() would write all
            # columns, and would insert the row again if it were gone.
            if self.pk and not Note.objects.filter(pk=self.pk, revision=read_at_revision).update(**columns):
                raise NoteHasChanged
            for name, value in columns.items():
                setattr(self, name, value)
            if not self.pk:
                self.save(force_insert=True)
            Revision.objects.create(
                notebook=self.notebook,
                number=number,
                note=self,
                action=action,
                changed=[name for name in CONTENT if name in columns],
                title=self.title,
                body=self.body,
                tags=self.tags,
                updated_at=self.updated_at,
                writer=by.id,
                writer_name=by.name,
                request_id=by.request_id,
            )
            Notebook.objects.filter(pk=self.notebook_id).update(revision=number)
            self.notebook.revision = number


class Revision(models.Model):
    """One write: what was done, the note's content after it, when, by whom and in which request.

    Rows are never deleted and never changed but for one thing: a purge, or pruning, erases their content (None).
    """

    CREATE, EDIT, TRASH, RESTORE, PURGE = "create", "edit", "trash", "restore", "purge"
    ACTIONS = [CREATE, EDIT, TRASH, RESTORE, PURGE]

    notebook = models.ForeignKey(Notebook, models.PROTECT, related_name="revisions")
    number = models.PositiveBigIntegerField()
    note = models.ForeignKey(Note, models.PROTECT, related_name="revisions")
    action = models.CharField(max_length=10, choices=[(action, action) for action in ACTIONS])
    changed = models.JSONField("columns that the write changed", default=list)
    title = models.CharField(max_length=MAX_TITLE_CHARS, null=True)  # noqa: DJ001  (None is: erased)
    body = models.TextField(null=True)  # noqa: DJ001
    tags = models.JSONField(null=True)
    updated_at = models.DateTimeField("updated_at of the note after it")
    written_at = models.DateTimeField(default=timezone.now)
    writer = models.CharField(max_length=100)
    writer_name = models.CharField(max_length=150)
    request_id = models.CharField(max_length=64, blank=True)

    objects = RevisionQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["notebook", "number"], name="revision_number")]
        indexes = [models.Index(fields=["note", "-number"], name="revision_of_note")]

    def __str__(self):
        return f"{self.number}: {self.action} by {self.writer_name}"

    def as_note(self):
        """Return the note as this write left it: an object to show, not to write. Its content must be there."""
        return Note(
            uuid=self.note.uuid,
            revision=self.number,
            created_at=self.note.created_at,
            updated_at=self.updated_at,
            deleted_at=self.written_at if self.action in {self.TRASH, self.PURGE} else None,
            **{name: getattr(self, name) for name in CONTENT},
        )


class Receipt(models.Model):
    """What a request with an Idempotency-Key did, stored in the transaction that did it.

    Apart from the log because a request may write nothing (a PUT of what is there already) and still must do nothing
    more when it is repeated, or may write many times (a batch). It keeps numbers of the log, no content of its own:
    what is purged there is in no receipt either.
    """

    notebook = models.ForeignKey(Notebook, models.PROTECT, related_name="receipts")
    writer = models.CharField(max_length=100)
    key = models.CharField(max_length=255)
    request_digest = models.CharField(max_length=64)
    # [[status, number of the log row with the state that was answered], ...]: one of them, or one per item of a batch.
    outcomes = models.JSONField()
    written_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["notebook", "writer", "key"], name="receipt_key")]

    def __str__(self):
        return f"{self.key} of {self.writer}"


class ApiKey(models.Model):
    """Opens one notebook at one level. The text of a key is shown once, by `make`, and stored as a digest only."""

    USE_IS_NOTED_EVERY = timedelta(minutes=1)

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    notebook = models.ForeignKey(Notebook, models.PROTECT, related_name="keys")
    name = models.CharField(max_length=100)
    level = models.CharField(max_length=5, choices=[(level, level) for level in LEVELS])
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.CharField(max_length=150, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)

    objects = ApiKeyQuerySet.as_manager()

    def __str__(self):
        return self.name

    @classmethod
    def make(cls, by, **columns):
        """Return (ApiKey, text). The text is never stored."""
        text = keys.generate()
        return cls.objects.create(digest=keys.digest(text), created_by=by.name, **columns), text

    @property
    def writer_id(self):
        return f"key:{self.pk}"

    @property
    def has_expired(self):
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def state(self):
        if self.revoked_at:
            return f"revoked {self.revoked_at:%Y-%m-%d}"
        if self.expires_at is None:
            return "never expires"
        return f"{'expired' if self.has_expired else 'expires'} {self.expires_at:%Y-%m-%d %H:%M}"

    def revoke(self):
        """Close the key for good and return True; return False where it was revoked before."""
        return bool(ApiKey.objects.filter(pk=self.pk, revoked_at=None).update(revoked_at=timezone.now()))

    def note_use(self):
        """Store when the key was used, at most once a minute. Where the database is busy or read-only, not at all."""
        now = timezone.now()
        if self.last_used_at is not None and now - self.last_used_at < self.USE_IS_NOTED_EVERY:
            return
        with suppress(Error), without_waiting(), transaction.atomic():
            ApiKey.objects.filter(pk=self.pk).update(last_used_at=now)


@contextmanager
def without_waiting():
    """Let what waits for a lock fail at once: a reader's request must not stand in the queue of the writers."""
    if connection.vendor == "sqlite":
        milliseconds = int(connection.settings_dict["OPTIONS"]["timeout"] * 1000)
        setting, restore = "PRAGMA busy_timeout = 0", f"PRAGMA busy_timeout = {milliseconds}"
    else:
        setting, restore = "SET lock_timeout = '10ms'", "RESET lock_timeout"
    with connection.cursor() as cursor:
        cursor.execute(setting)
        try:
            yield
        finally:
            cursor.execute(restore)
