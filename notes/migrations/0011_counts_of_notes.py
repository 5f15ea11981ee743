from django.db import migrations, models


def count(apps, schema_editor):
    """The new columns have locked the table, so nobody writes meanwhile. Each count reads one index."""
    notes = apps.get_model("notes", "Note").objects
    for notebook in apps.get_model("notes", "Notebook").objects.all():
        of_notebook = notes.filter(notebook=notebook)
        notebook.live_notes = of_notebook.filter(deleted_at=None).count()
        notebook.trashed_notes = of_notebook.filter(deleted_at__isnull=False, purged_at=None).count()
        notebook.save(update_fields=["live_notes", "trashed_notes"])


class Migration(migrations.Migration):
    dependencies = [("notes", "0010_metadata")]

    operations = [
        migrations.AddField(
            model_name="notebook",
            name="live_notes",
            field=models.BigIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name="notebook",
            name="trashed_notes",
            field=models.BigIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.RunPython(count, migrations.RunPython.noop),
    ]
