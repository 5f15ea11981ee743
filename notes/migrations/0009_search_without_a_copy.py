from django.db import migrations
from django.db.models import F

from notes.search import index


def begin_anew(apps, schema_editor):
    """On SQLite the index has another table, which rebuild_search fills. On PostgreSQL nothing has changed."""
    notebooks = apps.get_model("notes", "Notebook").objects
    if schema_editor.connection.vendor == "postgresql":
        notebooks.filter(search_format=2).update(search_format=3)
        return
    index.clear()
    notebooks.update(search_format=index.UNFINISHED, search_generation=F("search_generation") + 1)
    notebooks.filter(notes=None).update(search_format=index.FORMAT)


class Migration(migrations.Migration):
    dependencies = [("notes", "0008_search_in_one_column")]

    operations = [migrations.RunPython(begin_anew, migrations.RunPython.noop)]
