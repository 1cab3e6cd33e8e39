"""Writes down of the orders that are there which attempt was accepted.

Each part is a transaction of its own, since workers wait for the rows that it writes; a second run goes on with the rest.
"""

from django.db import migrations, transaction
from django.db.models import OuterRef, Subquery

BATCH = 2_000


def fill(apps, schema_editor):
    alias = schema_editor.connection.alias
    orders = apps.get_model("orders", "Order").objects.using(alias).order_by()
    attempts = apps.get_model("orders", "PlacementAttempt").objects.using(alias)
    accepted = attempts.filter(token=OuterRef("claim_token")).order_by().values("pk")[:1]
    last = orders.order_by("-pk").values_list("pk", flat=True).first() or 0
    for start in range(0, last, BATCH):
        part = orders.filter(pk__gt=start, pk__lte=start + BATCH, placement="placed", accepted_attempt=None)
        with transaction.atomic(using=alias):
            part.exclude(claim_token="").update(accepted_attempt_id=Subquery(accepted))


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("orders", "0011_accepted_attempt_and_findings"),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
