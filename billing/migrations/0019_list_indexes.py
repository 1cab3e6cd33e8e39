"""Indexes of the staff's lists of deposits and bank lines."""

from django.db import migrations, models
from django.db.models import Case, F, IntegerField, OrderBy, Q, Value, When

from panel.lib.concurrent_index import AddIndexConcurrently


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("billing", "0018_coins"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="bankline",
            index=models.Index(fields=["-day", "-id"], name="bank_line_latest"),
        ),
        AddIndexConcurrently(
            model_name="deposit",
            index=models.Index(
                OrderBy(
                    Case(
                        When(paid_at__isnull=False, state="pending", then=Value(2)),
                        When(state="pending", then=Value(1)),
                        default=Value(0),
                        output_field=IntegerField(),
                    ),
                    descending=True,
                ),
                OrderBy(F("id"), descending=True),
                name="deposit_waiting_first",
            ),
        ),
        AddIndexConcurrently(
            model_name="deposit",
            index=models.Index(condition=~Q(reference=""), fields=["reference"], name="deposit_by_reference"),
        ),
    ]
