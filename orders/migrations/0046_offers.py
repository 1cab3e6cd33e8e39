from django.db import migrations, models

from panel.lib.concurrent_index import AddIndexConcurrently


class Migration(migrations.Migration):
    """Find the latest offers to order again."""

    atomic = False

    dependencies = [("orders", "0045_customer_figures")]

    operations = [
        AddIndexConcurrently(
            model_name="orderevent",
            index=models.Index(fields=["created_at"], condition=models.Q(kind="offer"), name="event_of_offer"),
        ),
    ]
