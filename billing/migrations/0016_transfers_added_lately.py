"""Requests by hand that wait are said to be paid: so far they were sent once the customer had paid.

And the index by which the last added ones are found.
"""

from typing import Any

from django.db import migrations, models
from django.db.models import F, Q

from panel.lib.concurrent_index import AddIndexConcurrently


def say_paid(apps: Any, schema_editor: Any) -> None:
    deposits = apps.get_model("billing", "Deposit").objects.using(schema_editor.connection.alias)
    waiting = deposits.filter(state="pending", method__kind="transfer", paid_at=None)
    waiting.update(paid_at=F("created_at"))


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("billing", "0015_transfers"),
    ]

    operations = [
        migrations.RunPython(say_paid, migrations.RunPython.noop, elidable=True),
        AddIndexConcurrently(
            model_name="deposit",
            index=models.Index(
                condition=Q(state="approved"), fields=["method", "-decided_at"], name="deposit_added_lately"
            ),
        ),
    ]
