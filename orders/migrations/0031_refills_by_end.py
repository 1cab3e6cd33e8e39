"""The index by which refills that ended lately are found."""

from django.db import migrations, models
from django.db.models import Q

from panel.lib.concurrent_index import AddIndexConcurrently


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("orders", "0030_unknown_words"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="refill",
            index=models.Index(condition=Q(finished_at__isnull=False), fields=["finished_at"], name="refill_by_end"),
        ),
    ]
