"""The index by which deposits that were decided lately are found."""

from django.db import migrations, models
from django.db.models import Q

from panel.lib.concurrent_index import AddIndexConcurrently


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("billing", "0009_drop_pattern_index"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="deposit",
            index=models.Index(
                condition=Q(decided_at__isnull=False), fields=["decided_at"], name="deposit_by_decision"
            ),
        ),
    ]
