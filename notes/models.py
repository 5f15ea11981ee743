"""A notebook is a numbered log of writes: Note is the present, Revision the past.

Here are columns, constraints, and what one row says about itself. Only the door writes notes (notes/door.py).
`revision` is always a number: a Notebook's is that of its last write, a Note's that of the write that last changed it.
A Revision is the log's row of one write; its number is `number`.
"""

import uuid
from dataclasses import dataclass
from datetime import timedelta

import orjson
import uuid_utils.compat
from django.core.exceptions import ValidationError
from django.db import Error, models, transaction
from django.db.models import Q
from django.utils import timezone

from notes import content, databases, keys
from notes.content import MAX_FOLDED_TAG_CHARS, MAX_TAG_CHARS, MAX_TITLE_CHARS
from notes.querysets import (
    ApiKeyQuerySet,
    NotebookQuerySet,
    NoteQuerySet,
    RevisionQuerySet,
    TagQuerySet,
    TagRenameQuerySet,
)
from notes.search import index

LEVELS = ["read", "write", "admin"]
CONTENT = ["title", "body", "tags", "metadata"]


def one_line(name):
    """Validate the name of a notebook or a key: names appear in lists, logs and tab-separated lines.

    A line break would forge another line, and nobody could see a blank name.
    """
    if content.BREAKS_A_LINE.search(name) or not content.is_visible(name):
        raise ValidationError("Write one line of visible text.", code="one_line")


class Metadata(models.TextField):
    """A note's metadata, stored as its text. PostgreSQL's jsonb would sort the names and write numbers another way."""

    def from_db_value(self, text, expression, connection):
        return None if text is None else orjson.loads(text)

    def get_prep_value(self, members):
        return None if members is None else content.metadata_text(members).decode()


@dataclass(frozen=True)
class Writer:
    """Who writes, and in which request: what the log keeps beside the content.

    `id` is `operator`, `key:<id>`, `staff:<user id>` or `command:<name>`; `name` is what people call the
    writer at that time. Both are plain text, so that the trail outlives key and user.
    """

    id: str
    name: str
    request_id: str = ""

    @classmethod
    def staff(cls, user, request_id):
        return cls(f"staff:{user.pk}", user.get_username(), request_id)

    @classmethod
    def command(cls, name):
        return cls(f"command:{name}", name)


class Notebook(models.Model):
    DEFAULT_NAME = "default"

    name = models.CharField(max_length=100, unique=True, validators=[one_line])
    revision = models.PositiveBigIntegerField("number of the last write", default=0, db_default=0, editable=False)
    # The door counts notes along. Where older code wrote meanwhile, a count may fall below zero: no write must fail.
    live_notes = models.BigIntegerField(default=0, db_default=0, editable=False)
    trashed_notes = models.BigIntegerField(default=0, db_default=0, editable=False)
    # Names this history. A restored backup gets a new epoch, so that clients notice.
    epoch = models.UUIDField(default=uuid.uuid4, editable=False)
    public = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Strangers may read it. Counts for the default notebook alone, while NOTES_PUBLIC_READS is True.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # `search_format` is the format of its terms in the search index, or UNFINISHED during a rebuild.
    # `search_generation` rises when searches find other notes than before although nobody wrote.
    search_format = models.PositiveSmallIntegerField(default=index.current_format, db_default=1, editable=False)
    search_generation = models.PositiveBigIntegerField(default=0, db_default=0, editable=False)

    objects = NotebookQuerySet.as_manager()

    def __str__(self):
        return self.name


class Note(models.Model):
    # This number is for the database only. The API's id is `uuid`, unique within a notebook only: a notebook must not
    # learn from a taken id what another one holds.
    id = models.BigAutoField(primary_key=True)
    uuid = models.UUIDField("id", default=uuid_utils.compat.uuid7, editable=False)
    # Here and in Revision the constraints below begin with the key: an index of its own would only cost writes.
    notebook = models.ForeignKey(Notebook, models.PROTECT, related_name="notes", editable=False, db_index=False)
    title = models.CharField(max_length=MAX_TITLE_CHARS)
    body = models.TextField(blank=True)
    tags = models.JSONField(default=list, blank=True)
    metadata = Metadata(default=dict, db_default={}, blank=True)
    revision = models.PositiveBigIntegerField("number of the write that last changed it", editable=False)
    created_at = models.DateTimeField(editable=False)
    # created_at as a number, unique in the notebook. Newest-first lists and the search index are sorted by it.
    position = models.BigIntegerField(editable=False)
    updated_at = models.DateTimeField(editable=False)
    deleted_at = models.DateTimeField(null=True, editable=False)
    purged_at = models.DateTimeField(null=True, editable=False)

    objects = NoteQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["notebook", "uuid"], name="note_uuid"),
            models.UniqueConstraint(fields=["notebook", "revision"], name="note_revision"),
            # `position` comes first: a new note looks for a free one among the notes of all notebooks.
            models.UniqueConstraint(fields=["position", "notebook"], name="note_by_position"),
        ]
        indexes = [
            models.Index(fields=["notebook", "-position"], condition=Q(deleted_at=None), name="note_live_created"),
            models.Index(
                fields=["notebook", "updated_at", "position"], condition=Q(deleted_at=None), name="note_live_updated"
            ),
            models.Index(
                fields=["notebook", "title", "position"], condition=Q(deleted_at=None), name="note_live_title"
            ),
            models.Index(
                fields=["notebook", "deleted_at", "position"],
                condition=Q(deleted_at__isnull=False, purged_at=None),
                name="note_trashed",
            ),
        ]

    def __str__(self):
        return self.title


class Revision(models.Model):
    """One write: what was done, the note's content after it, when, by whom and in which request.

    Rows are never deleted. They change in one way only: a purge, or pruning, sets their content to None.
    """

    CREATE, EDIT, TRASH, RESTORE, PURGE = "create", "edit", "trash", "restore", "purge"
    ACTIONS = [CREATE, EDIT, TRASH, RESTORE, PURGE]

    notebook = models.ForeignKey(Notebook, models.PROTECT, related_name="revisions", db_index=False)
    number = models.PositiveBigIntegerField()
    note = models.ForeignKey(Note, models.PROTECT, related_name="revisions", db_index=False)
    action = models.CharField(max_length=10, choices=[(action, action) for action in ACTIONS])
    changed = models.JSONField("columns that the write changed", default=list)
    title = models.CharField(max_length=MAX_TITLE_CHARS, null=True)  # noqa: DJ001  (None means erased)
    body = models.TextField(null=True)  # noqa: DJ001
    tags = models.JSONField(null=True)
    # Rows from before there was metadata have none: {}, also where their content was erased.
    metadata = Metadata(null=True, db_default={})
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
        """Return the note as this write left it: an object to show, not to write. The content must not be erased."""
        return Note(
            uuid=self.note.uuid,
            revision=self.number,
            created_at=self.note.created_at,
            updated_at=self.updated_at,
            deleted_at=self.written_at if self.action in {self.TRASH, self.PURGE} else None,
            **{name: getattr(self, name) for name in CONTENT},
        )


class Tag(models.Model):
    """How many live notes bear a tag. Every write maintains this count. Tags that differ only in case are one."""

    notebook = models.ForeignKey(Notebook, models.PROTECT, related_name="tags")
    key = models.CharField(max_length=MAX_FOLDED_TAG_CHARS)
    name = models.CharField(max_length=MAX_TAG_CHARS)
    notes = models.PositiveBigIntegerField()

    objects = TagQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["notebook", "key"], name="tag_key")]

    def __str__(self):
        return self.name


class TagRename(models.Model):
    """The renaming of a tag and its progress (see notes/renames.py). A notebook has one at a time."""

    # The columns that change as the renaming goes on. Its end erases the names.
    PROGRESS = ["old", "new", "notes", "seen", "position", "goes_by_index", "finished_at"]

    notebook = models.ForeignKey(Notebook, models.PROTECT, related_name="tag_renames")
    old = models.CharField(max_length=MAX_TAG_CHARS)
    new = models.CharField(max_length=MAX_TAG_CHARS)
    writer = models.CharField(max_length=100)
    writer_name = models.CharField(max_length=150)
    request_id = models.CharField(max_length=64, blank=True)
    notes = models.PositiveBigIntegerField("how many were edited", default=0)
    seen = models.PositiveBigIntegerField("how many had the tag", default=0)
    position = models.BigIntegerField("of the last note that was looked at", null=True)
    goes_by_index = models.BooleanField("or by the rows, where the index is not complete", default=True)
    finished_at = models.DateTimeField(null=True)

    objects = TagRenameQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["notebook"], condition=Q(finished_at=None), name="tag_rename_running")
        ]

    def __str__(self):
        return f"{self.old} to {self.new}"

    @property
    def by(self):
        return Writer(self.writer, self.writer_name, self.request_id)


class Receipt(models.Model):
    """What a request with an Idempotency-Key did, stored in the transaction that did it.

    The log cannot do this: a request may write many times (a batch), or nothing (a PUT of what is there already), and
    a repeat must still do nothing more. A receipt keeps log numbers (or names a TagRename) and a digest made with the
    SECRET_KEY. It keeps no content, so a purge has nothing to erase here.
    """

    notebook = models.ForeignKey(Notebook, models.PROTECT, related_name="receipts")
    writer = models.CharField(max_length=100)
    key = models.CharField(max_length=255)
    request_digest = models.CharField(max_length=64)
    # [[status, number of the log row with the answered state], ...]: one pair, or one per item of a batch.
    outcomes = models.JSONField()
    written_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["notebook", "writer", "key"], name="receipt_key")]

    def __str__(self):
        return f"{self.key} of {self.writer}"


class ApiKey(models.Model):
    """Opens one notebook at one level. `make` returns the key's text once; only a digest is stored."""

    USE_IS_RECORDED_EVERY = timedelta(minutes=1)

    id = models.UUIDField(primary_key=True, default=uuid_utils.compat.uuid7, editable=False)
    notebook = models.ForeignKey(Notebook, models.PROTECT, related_name="keys")
    name = models.CharField(max_length=100, validators=[one_line])
    level = models.CharField(max_length=5, choices=[(level, level) for level in LEVELS])
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.CharField(max_length=150, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"

    def __str__(self):
        return self.name

    @classmethod
    def make(cls, by, **columns):
        """Return (ApiKey, text). The text is never stored."""
        text = keys.generate()
        with databases.write_transaction():
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
        """Close the key for good and return True; return False if it was revoked before."""
        with databases.write_transaction():
            return bool(ApiKey.objects.filter(pk=self.pk, revoked_at=None).update(revoked_at=timezone.now()))

    def unchanged_until(self):
        """Return the times, or None, of its expiry and of when a use of it would be recorded again."""
        return self.expires_at, (self.last_used_at or self.created_at) + self.USE_IS_RECORDED_EVERY

    def record_use(self):
        """Store when the key was used, at most once a minute. If the database is busy or read-only, skip it."""
        now, recorded = timezone.now(), self.last_used_at
        # A last use in the future: the clock has been set back.
        if recorded is not None and abs(now - recorded) < self.USE_IS_RECORDED_EVERY:
            return
        try:
            with databases.without_waiting(), transaction.atomic():
                # Of simultaneous requests only one writes: the others find that `last_used_at` has changed.
                ApiKey.objects.filter(pk=self.pk, last_used_at=recorded).update(last_used_at=now)
            self.last_used_at = now
        except Error as error:
            databases.release_frames(error)


class Backup(models.Model):
    """A file that `backup` wrote. It may be gone by now."""

    path = models.TextField()
    sha256 = models.CharField(max_length=64)
    made_at = models.DateTimeField(default=timezone.now)
    verified_at = models.DateTimeField(null=True)

    def __str__(self):
        return self.path
