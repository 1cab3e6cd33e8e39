"""Gives what is there already its deadlines and numbers; what was held for a day goes back to the queue.

Apart from the changes of the tables: PostgreSQL refuses those while updates of the same transaction are open.
"""

from django.db import migrations, models
from django.db.models.functions import Cast, Coalesce
from django.utils import timezone


def fill(apps, schema_editor):
    orders = apps.get_model("orders", "Order").objects.using(schema_editor.connection.alias)
    orders.update(queued_at=models.F("created_at"))
    orders.filter(placement="queued", review_reason="held").update(
        review_reason="", review_since=None, review_note="", queued_at=timezone.now()
    )
    orders.filter(placement="in_doubt").update(doubt_until=Coalesce("next_action_at", models.Value(timezone.now())))
    orders.filter(upstream_id__regex=r"^[1-9][0-9]{0,17}$").update(
        upstream_number=Cast("upstream_id", models.BigIntegerField())
    )


class Migration(migrations.Migration):

    dependencies = [
        ("orders", "0002_reconciliation"),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
