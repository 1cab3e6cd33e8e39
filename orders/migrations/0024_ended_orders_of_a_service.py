"""The index by which the last orders of a service that ended are read, and the words for stops."""

from django.db import migrations, models
from django.db.models import Q

from panel.lib.concurrent_index import AddIndexConcurrently


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("orders", "0023_reckoning"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="sendingstop",
            options={
                "ordering": ("-pk",),
                "verbose_name": "stop of sending",
                "verbose_name_plural": "sending",
            },
        ),
        AddIndexConcurrently(
            model_name="order",
            index=models.Index(
                condition=Q(finished_at__isnull=False),
                fields=["service", "-finished_at"],
                name="order_ended_of_service",
            ),
        ),
    ]
