from django.db import migrations
from notes.search import index



class Migration(migrations.Migration):
    """The index is made from the notes: `rebuild_search` brings it to whatever form the code of the day wants."""

    dependencies = [("notes", "0001_initial")]

    operations = [migrations.RunPython(lambda apps, schema_editor: index.clear(), migrations.RunPython.noop)]
