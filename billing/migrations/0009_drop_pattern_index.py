"""Drop the index that PostgreSQL keeps for patterns of keys: no query looks for a part of a key.

It took 160 MB for four million entries, and a write for each posting.
"""

from django.db import migrations

NAME = "billing_entry_key_098fe18b_like"


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {NAME}")


def create(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"CREATE INDEX CONCURRENTLY {NAME} ON billing_entry (key varchar_pattern_ops)")


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("billing", "0008_entry_of_kind"),
    ]

    operations = [migrations.RunPython(drop, create)]
