from django.db import migrations


def create_default_notebook(apps, schema_editor):
    apps.get_model("notes", "Notebook").objects.get_or_create(name="default")


class Migration(migrations.Migration):
    dependencies = [("notes", "0001_initial")]

    operations = [migrations.RunPython(create_default_notebook, migrations.RunPython.noop)]
