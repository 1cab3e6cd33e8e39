"""Makes a poll for each order that is followed.

Each part is a transaction of its own, so that workers go on meanwhile; a second run goes on with the rest. What the
release before accepts from now on, the sweep of `watch_polls` adopts.
"""

from django.db import migrations, transaction

BATCH = 2_000

FILL = """
    INSERT INTO orders_orderpoll (order_id, provider_id, due_at, checked_at, unchanged, errors)
    SELECT id, provider_id, next_poll_at, checked_at, still_polls, poll_errors FROM orders_order
    WHERE id > %s AND id <= %s AND placement = 'placed' AND next_poll_at IS NOT NULL
    ON CONFLICT (order_id) DO NOTHING
"""


def fill(apps, schema_editor):
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        cursor.execute("SELECT MAX(id) FROM orders_order")
        last = cursor.fetchone()[0] or 0
        for start in range(0, last, BATCH):
            with transaction.atomic(using=connection.alias):
                cursor.execute(FILL, [start, start + BATCH])


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("orders", "0015_order_polls"),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
