"""Drop the index for patterns of tokens, and index only the events that have an actor: most have none.

No query looks for a part of a token. Indexes are dropped by their names, because SQLite would copy the whole table of
events for a changed field. The release before needs neither index.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

from panel.lib.concurrent_index import AddIndexConcurrently

TOKEN_PATTERNS = "orders_placementattempt_token_7f0060f2_like"
ACTOR = "orders_orderevent_actor_id_4ce1466c"


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {TOKEN_PATTERNS}")
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {ACTOR}")
    else:
        schema_editor.execute(f"DROP INDEX IF EXISTS {ACTOR}")


def create(apps, schema_editor):
    schema_editor.execute(f"CREATE INDEX IF NOT EXISTS {ACTOR} ON orders_orderevent (actor_id)")
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            f"CREATE INDEX IF NOT EXISTS {TOKEN_PATTERNS} ON orders_placementattempt (token varchar_pattern_ops)"
        )


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("orders", "0017_plain_words"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="orderevent",
            index=models.Index(condition=Q(actor__isnull=False), fields=["actor"], name="event_of_actor"),
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(drop, create)],
            state_operations=[
                migrations.AlterField(
                    model_name="orderevent",
                    name="actor",
                    field=models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
    ]
