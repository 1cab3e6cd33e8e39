"""The turns of queued orders, and their indexes.

The column is added by hand: Django would copy the whole table on SQLite. A migration that was interrupted can be run
again. The release before leaves the turn at 0, and its orders go first.
"""

from django.db import migrations, models
from django.db.models import Q

from panel.lib.concurrent_index import AddIndexConcurrently


def add_column(apps, schema_editor):
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        columns = connection.introspection.get_table_description(cursor, "orders_order")
    if "turn" not in {column.name for column in columns}:
        schema_editor.execute("ALTER TABLE orders_order ADD COLUMN turn bigint DEFAULT 0 NOT NULL")


def drop_column(apps, schema_editor):
    schema_editor.execute("ALTER TABLE orders_order DROP COLUMN turn")


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("orders", "0025_over_limit"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(add_column, drop_column)],
            state_operations=[
                migrations.AddField(
                    model_name="order",
                    name="turn",
                    field=models.BigIntegerField(
                        db_default=0, default=0, help_text="Lower ones are sent first. See orders/common/turns.py."
                    ),
                ),
            ],
        ),
        AddIndexConcurrently(
            model_name="order",
            index=models.Index(
                condition=Q(submission="queued", review_reason=""),
                fields=["provider", "turn", "id"],
                name="order_next_turn",
            ),
        ),
        AddIndexConcurrently(
            model_name="order",
            index=models.Index(
                condition=Q(submission="queued"), fields=["customer", "provider", "turn"], name="order_turn_of_customer"
            ),
        ),
        AddIndexConcurrently(
            model_name="order",
            index=models.Index(
                condition=Q(submission="queued", turn__lt=0), fields=["next_action_at"], name="order_waits_for_turn"
            ),
        ),
    ]
