"""How far pruning has come, and the index by which it finds ended orders."""

import django.utils.timezone
from django.db import migrations, models
from django.db.models import Q

from panel.lib.concurrent_index import AddIndexConcurrently


class CreateModelOnce(migrations.CreateModel):
    """Create the table unless it is there: the migration is not atomic, and may have been interrupted after it."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        if "orders_pruningprogress" not in schema_editor.connection.introspection.table_names():
            super().database_forwards(app_label, schema_editor, from_state, to_state)


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("orders", "0026_turns"),
    ]

    operations = [
        CreateModelOnce(
            name="PruningProgress",
            fields=[
                ("name", models.CharField(max_length=20, primary_key=True, serialize=False)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("order_number", models.BigIntegerField(default=0)),
                ("began_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        AddIndexConcurrently(
            model_name="order",
            index=models.Index(
                condition=Q(finished_at__isnull=False), fields=["finished_at", "id"], name="order_by_end"
            ),
        ),
    ]
