import django.db.models.deletion
import django.utils.timezone
import notes.models
import uuid
import uuid_utils.compat
from django.db import migrations, models


def create_default_notebook(apps, schema_editor):
    apps.get_model("notes", "Notebook").objects.create(name="default", public=True)


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Notebook",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "name",
                    models.CharField(
                        max_length=100,
                        unique=True,
                        validators=[notes.models.one_line],
                    ),
                ),
                (
                    "revision",
                    models.PositiveBigIntegerField(
                        db_default=0, default=0, editable=False, verbose_name="number of the last write"
                    ),
                ),
                ("epoch", models.UUIDField(default=uuid.uuid4, editable=False)),
                (
                    "public",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        help_text="Strangers may read it. Counts for the default notebook alone, while NOTES_PUBLIC_READS is True.",
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
        ),
        migrations.CreateModel(
            name="Note",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("uuid", models.UUIDField(default=uuid_utils.compat.uuid7, editable=False, verbose_name="id")),
                ("title", models.CharField(max_length=200)),
                ("body", models.TextField(blank=True)),
                ("tags", models.JSONField(blank=True, default=list)),
                (
                    "revision",
                    models.PositiveBigIntegerField(
                        editable=False, verbose_name="number of the write that last changed it"
                    ),
                ),
                ("created_at", models.DateTimeField(editable=False)),
                ("position", models.BigIntegerField(editable=False)),
                ("updated_at", models.DateTimeField(editable=False)),
                ("deleted_at", models.DateTimeField(editable=False, null=True)),
                ("purged_at", models.DateTimeField(editable=False, null=True)),
                (
                    "notebook",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notes",
                        to="notes.notebook",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        max_length=100,
                        validators=[notes.models.one_line],
                    ),
                ),
                (
                    "level",
                    models.CharField(choices=[("read", "read"), ("write", "write"), ("admin", "admin")], max_length=5),
                ),
                ("digest", models.CharField(editable=False, max_length=64, unique=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("created_by", models.CharField(editable=False, max_length=150)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(editable=False, null=True)),
                ("last_used_at", models.DateTimeField(editable=False, null=True)),
                (
                    "notebook",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="keys", to="notes.notebook"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Receipt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("writer", models.CharField(max_length=100)),
                ("key", models.CharField(max_length=255)),
                ("request_digest", models.CharField(max_length=64)),
                ("outcomes", models.JSONField()),
                ("written_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "notebook",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="receipts", to="notes.notebook"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Revision",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveBigIntegerField()),
                (
                    "action",
                    models.CharField(
                        choices=[
                            ("create", "create"),
                            ("edit", "edit"),
                            ("trash", "trash"),
                            ("restore", "restore"),
                            ("purge", "purge"),
                        ],
                        max_length=10,
                    ),
                ),
                ("changed", models.JSONField(default=list, verbose_name="columns that the write changed")),
                ("title", models.CharField(max_length=200, null=True)),
                ("body", models.TextField(null=True)),
                ("tags", models.JSONField(null=True)),
                ("updated_at", models.DateTimeField(verbose_name="updated_at of the note after it")),
                ("written_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("writer", models.CharField(max_length=100)),
                ("writer_name", models.CharField(max_length=150)),
                ("request_id", models.CharField(blank=True, max_length=64)),
                (
                    "note",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="revisions", to="notes.note"
                    ),
                ),
                (
                    "notebook",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="revisions", to="notes.notebook"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Tag",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=150)),
                ("name", models.CharField(max_length=50)),
                ("notes", models.PositiveBigIntegerField()),
                (
                    "notebook",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="tags", to="notes.notebook"
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="note",
            index=models.Index(
                condition=models.Q(("deleted_at", None)), fields=["notebook", "-position"], name="note_live_created"
            ),
        ),
        migrations.AddIndex(
            model_name="note",
            index=models.Index(
                condition=models.Q(("deleted_at", None)),
                fields=["notebook", "updated_at", "position"],
                name="note_live_updated",
            ),
        ),
        migrations.AddIndex(
            model_name="note",
            index=models.Index(
                condition=models.Q(("deleted_at", None)),
                fields=["notebook", "title", "position"],
                name="note_live_title",
            ),
        ),
        migrations.AddIndex(
            model_name="note",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", False), ("purged_at", None)),
                fields=["notebook", "deleted_at", "position"],
                name="note_trashed",
            ),
        ),
        migrations.AddConstraint(
            model_name="note",
            constraint=models.UniqueConstraint(fields=("notebook", "uuid"), name="note_uuid"),
        ),
        migrations.AddConstraint(
            model_name="note",
            constraint=models.UniqueConstraint(fields=("notebook", "revision"), name="note_revision"),
        ),
        migrations.AddConstraint(
            model_name="note",
            constraint=models.UniqueConstraint(fields=("notebook", "position"), name="note_position"),
        ),
        migrations.AddConstraint(
            model_name="receipt",
            constraint=models.UniqueConstraint(fields=("notebook", "writer", "key"), name="receipt_key"),
        ),
        migrations.AddIndex(
            model_name="revision",
            index=models.Index(fields=["note", "-number"], name="revision_of_note"),
        ),
        migrations.AddConstraint(
            model_name="revision",
            constraint=models.UniqueConstraint(fields=("notebook", "number"), name="revision_number"),
        ),
        migrations.AddConstraint(
            model_name="tag",
            constraint=models.UniqueConstraint(fields=("notebook", "key"), name="tag_key"),
        ),
        migrations.RunPython(create_default_notebook, migrations.RunPython.noop),
    ]
