from django.db import migrations
from django.utils.crypto import salted_hmac


def bring_to_the_new_form(apps, schema_editor):
    """The digest of a request was open to guesses; the new one is made of the old one and the SECRET_KEY."""
    receipts, last = apps.get_model("notes", "Receipt").objects.order_by("pk"), 0
    while some := list(receipts.filter(pk__gt=last)[:1000]):
        for receipt in some:
            keyed = salted_hmac("notes.receipt", receipt.request_digest, algorithm="sha256")
            receipt.request_digest = keyed.hexdigest()
        receipts.bulk_update(some, ["request_digest"], batch_size=200)
        last = some[-1].pk


class Migration(migrations.Migration):
    dependencies = [("notes", "0005_position_first")]

    operations = [migrations.RunPython(bring_to_the_new_form)]
