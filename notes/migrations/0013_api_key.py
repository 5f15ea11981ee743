from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("notes", "0012_backups")]

    operations = [migrations.AlterModelOptions("apikey", {"verbose_name": "API key"})]
