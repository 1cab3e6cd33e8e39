from django.db import migrations, models

from panel.lib.concurrent_index import AddIndexConcurrently


class Migration(migrations.Migration):
    """Find an order by its link, also without knowing whose it is."""

    atomic = False

    dependencies = [("orders", "0034_order_drafts")]

    operations = [
        AddIndexConcurrently(
            model_name="order",
            index=models.Index(fields=["link_key", "customer", "-id"], name="order_by_any_link"),
        ),
        migrations.RemoveIndex(model_name="order", name="order_by_link"),
    ]
