"""Gives the orders that are there already the key by which their links are looked for.

Apart from the changes of the tables: PostgreSQL refuses those while updates of the same transaction are open.
"""

import re

from django.db import migrations

BATCH = 1_000


def link_key(link):
    rest = re.sub(r"\Ahttps?://", "", link.strip(), flags=re.IGNORECASE)
    host, slash, path = rest.partition("/")
    return f"{host.lower().removeprefix('www.')}{slash}{path}".rstrip("/")[:200]


def fill(apps, schema_editor):
    orders = apps.get_model("orders", "Order").objects.using(schema_editor.connection.alias).order_by("pk")
    last = 0
    while batch := list(orders.filter(pk__gt=last).only("pk", "link")[:BATCH]):
        for order in batch:
            order.link_key = link_key(order.link)
        orders.bulk_update(batch, ["link_key"], batch_size=200)
        last = batch[-1].pk


class Migration(migrations.Migration):

    dependencies = [
        ("orders", "0008_drip_feeds"),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
