from django.db import migrations, models

from notes.search import index


def say_so_of_empty_notebooks(apps, schema_editor):
    """What is indexed already has the first format; what is not yet will have the one of today."""
    notebooks = apps.get_model("notes", "Notebook").objects
    notebooks.filter(notes=None).update(search_format=index.FORMAT)


class Migration(migrations.Migration):
    dependencies = [("notes", "0002_search")]

    operations = [
        migrations.AddField(
            model_name="notebook",
            name="search_format",
            field=models.PositiveSmallIntegerField(
                db_default=1, default=index.current_format, editable=False
            ),
        ),
        migrations.AddField(
            model_name="notebook",
            name="search_generation",
            field=models.PositiveBigIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.RunPython(say_so_of_empty_notebooks, migrations.RunPython.noop),
    ]
