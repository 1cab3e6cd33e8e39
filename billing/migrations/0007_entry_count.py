"""Names only: `version` is called `entry_count`. The column, the generated one and the check stay as they are."""

from django.db import migrations, models
from django.db.models import F, Q
from django.db.models.functions import NullIf

CHECK = "wallet_without_entries_is_empty"


class Migration(migrations.Migration):

    dependencies = [
        ("billing", "0006_write_percent_without_space"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveConstraint("wallet", CHECK),
                migrations.RemoveField("wallet", "last_seq"),
                migrations.RenameField("wallet", "version", "entry_count"),
                migrations.AlterField(
                    "wallet", "entry_count", models.BigIntegerField(default=0, db_column="version")
                ),
                migrations.AddField(
                    "wallet",
                    "last_seq",
                    models.GeneratedField(
                        db_persist=True,
                        expression=NullIf(F("entry_count"), 0),
                        output_field=models.BigIntegerField(null=True),
                        serialize=False,
                    ),
                ),
                migrations.AddConstraint(
                    "wallet",
                    models.CheckConstraint(
                        condition=Q(entry_count__gt=0) | Q(entry_count=0, balance=0), name=CHECK
                    ),
                ),
            ]
        ),
    ]
