"""Names only: how the published state and the import runs are reached. Tables and columns stay."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("catalog", "0010_inbox_name"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    "shelfmark",
                    "service",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="published_state",
                        serialize=False,
                        to="catalog.service",
                    ),
                ),
                migrations.AlterField(
                    "syncrun",
                    "provider",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="import_runs",
                        to="catalog.provider",
                    ),
                ),
            ]
        ),
    ]
