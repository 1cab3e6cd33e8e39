"""Gives the orders that are there already the currency and the exchange rate of their provider.

Apart from the changes of the tables: PostgreSQL refuses those while updates of the same transaction are open.
"""

from django.db import migrations, models
from django.utils import timezone


def fill(apps, schema_editor):
    orders = apps.get_model("orders", "Order").objects.using(schema_editor.connection.alias)
    providers = apps.get_model("catalog", "Provider").objects.filter(pk=models.OuterRef("provider_id"))
    orders.update(
        exchange_rate=models.Subquery(providers.values("exchange_rate")),
        currency=models.Subquery(providers.values("currency")),
    )
    # When they were last checked nobody knows: the bound counts from now on.
    orders.filter(placement="placed", finished_at=None).update(checked_at=timezone.now())


class Migration(migrations.Migration):

    dependencies = [
        ("orders", "0005_following"),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
