"""Gives the orders that are there already the exchange rate of their provider.

Apart from the changes of the tables: PostgreSQL refuses those while updates of the same transaction are open.
"""

from django.db import migrations, models


def fill(apps, schema_editor):
    orders = apps.get_model("orders", "Order").objects.using(schema_editor.connection.alias)
    providers = apps.get_model("catalog", "Provider").objects.filter(pk=models.OuterRef("provider_id"))
    orders.update(exchange_rate=models.Subquery(providers.values("exchange_rate")))


class Migration(migrations.Migration):

    dependencies = [
        ("orders", "0005_following"),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
