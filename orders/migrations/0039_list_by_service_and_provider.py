from django.db import migrations, models
from django.db.models import Max, Min

from panel.lib.concurrent_index import AddIndexConcurrently

ROWS = 20_000


def mark_bulk_orders(apps, schema_editor):
    """Mark the orders of before: the key of a bulk order's line is request.text.position, and no other has dots.

    Some rows at a time, so that nothing waits for long; what is marked stays so if this is interrupted.
    """
    orders = apps.get_model("orders", "Order").objects
    ends = orders.aggregate(first=Min("pk"), last=Max("pk"))
    for first in range(ends["first"] or 0, (ends["last"] or -1) + 1, ROWS):
        some = orders.filter(pk__gte=first, pk__lt=first + ROWS, api_key_ref=None, drip_feed=None, is_bulk=False)
        some.filter(request_key__regex=r"^[0-9a-f]{32}\.[0-9a-f]{16}\.[0-9]+$").update(is_bulk=True)


class Migration(migrations.Migration):
    """List the orders of a service, of a provider and of the browser without reading all orders."""

    atomic = False

    dependencies = [("orders", "0038_bulk_orders_are_known")]

    operations = [
        migrations.RunPython(mark_bulk_orders, migrations.RunPython.noop),
        AddIndexConcurrently(
            model_name="order", index=models.Index(fields=["service", "-id"], name="order_of_service")
        ),
        AddIndexConcurrently(
            model_name="order", index=models.Index(fields=["provider", "-id"], name="order_of_provider")
        ),
        AddIndexConcurrently(
            model_name="order",
            index=models.Index(
                fields=["is_bulk", "-id"],
                condition=models.Q(("api_key_ref", None), ("drip_feed", None)),
                name="order_of_browser",
            ),
        ),
    ]
