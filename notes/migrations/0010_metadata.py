from django.db import migrations

import notes.models

# A constant default is stored once, not in each row: a million notes take no time.
NOTE = "ALTER TABLE notes_note ADD COLUMN metadata text NOT NULL DEFAULT '{}'"
REVISION = "ALTER TABLE notes_revision ADD COLUMN metadata text NULL DEFAULT '{}'"


def raise_format(apps, schema_editor):
    """The index of notes without metadata is as it was."""
    apps.get_model("notes", "Notebook").objects.filter(search_format=3).update(search_format=4)


class Migration(migrations.Migration):
    dependencies = [("notes", "0009_search_without_a_copy")]

    # Writers lock in this order too: the notebook, its notes, its log. In another one PostgreSQL would find a deadlock.
    operations = [
        migrations.RunPython(raise_format, migrations.RunPython.noop),
        migrations.RunSQL(
            NOTE,
            "ALTER TABLE notes_note DROP COLUMN metadata",
            [
                migrations.AddField(
                    "note", "metadata", notes.models.Metadata(blank=True, db_default={}, default=dict)
                )
            ],
        ),
        migrations.RunSQL(
            REVISION,
            "ALTER TABLE notes_revision DROP COLUMN metadata",
            [migrations.AddField("revision", "metadata", notes.models.Metadata(db_default={}, null=True))],
        ),
    ]
