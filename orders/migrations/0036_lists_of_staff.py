from django.db import migrations, models

from panel.lib.concurrent_index import AddIndexConcurrently


class Migration(migrations.Migration):
    """List open orders, and those of an API key or of all, without reading all orders."""

    atomic = False

    dependencies = [("orders", "0035_links_of_all_customers")]

    operations = [
        AddIndexConcurrently(
            model_name="order",
            index=models.Index(
                fields=["-id", "provider"], condition=models.Q(("finished_at", None)), name="order_unfinished"
            ),
        ),
        AddIndexConcurrently(
            model_name="order",
            index=models.Index(
                fields=["api_key_ref", "-id"],
                condition=models.Q(("api_key_ref__isnull", False)),
                name="order_by_api_key",
            ),
        ),
    ]
