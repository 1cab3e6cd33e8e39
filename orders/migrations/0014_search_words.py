"""Names only: what was looked for is searched for. The columns stay."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("orders", "0013_submission_words"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameField("placementattempt", "looks", "searches"),
                migrations.RenameField("placementattempt", "looked_at", "searched_at"),
                migrations.RenameField("placementattempt", "look_note", "search_note"),
                migrations.AlterField(
                    "placementattempt",
                    "searches",
                    models.PositiveSmallIntegerField(default=0, db_column="looks"),
                ),
                migrations.AlterField(
                    "placementattempt",
                    "searched_at",
                    models.DateTimeField(blank=True, db_column="looked_at", null=True),
                ),
                migrations.AlterField(
                    "placementattempt",
                    "search_note",
                    models.CharField(blank=True, db_column="look_note", max_length=500),
                ),
            ]
        ),
    ]
