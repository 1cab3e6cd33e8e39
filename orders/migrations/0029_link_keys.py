"""Gives the orders that are there the key of today by which their links are compared.

Each statement is a transaction of its own, so that workers go on meanwhile; a second run goes on with the rest. An order
that the release before creates from now on has its key of then: `link_keys` returns both to compare with.
"""

from django.db import migrations

from panel.lib.bulk_sql import update_rows
from panel.lib.links.keys import link_key

BATCH = 2_000


def fill(apps, schema_editor):
    model = apps.get_model("orders", "Order")
    orders = model.objects.order_by("pk").values_list("pk", "link_key", "link")
    last = 0
    while batch := list(orders.filter(pk__gt=last)[:BATCH]):
        rows = [(pk, stored, key) for pk, stored, link in batch if (key := link_key(link)) != stored]
        update_rows(model=model, columns=("link_key",), unmoved=("link_key",), rows=rows)
        last = batch[-1][0]


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("orders", "0028_taught_attempts"),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
