"""Let the database refuse a balance that differs from its last entry.

The column is generated and nothing else changes, so the previous release keeps running: it counts in `version`, inserts
wallets without the column, and writes each balance with its entry in one transaction.
"""

from django.core.management import CommandError
from django.db import migrations, models
from django.db.models.functions import NullIf

from billing.constraints import CompositeForeignKey

MAX_SHOWN = 20


def refuse_broken_wallets(apps, schema_editor):
    """Raise CommandError for broken wallets, as the database would name at most one. PostgreSQL has locked the wallets.
    """
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            """SELECT w.id, w.balance, w.version, e.balance_after FROM billing_wallet w
               LEFT JOIN billing_entry e ON e.wallet_id = w.id AND e.seq = w.version
               WHERE (w.version = 0 AND w.balance <> 0) OR w.version < 0
                  OR (w.version > 0 AND (e.id IS NULL OR e.balance_after <> w.balance))
               ORDER BY w.id"""
        )
        broken = cursor.fetchall()
    if not broken:
        return
    rows = [
        f"wallet {pk}: balance {balance}, entry {version} says {'nothing' if after is None else after}"
        for pk, balance, version, after in broken[:MAX_SHOWN]
    ]
    if len(broken) > MAX_SHOWN:
        rows.append(f"and {len(broken) - MAX_SHOWN:,} more")
    raise CommandError(
        f"The balances of {len(broken):,} wallets are not those of their last entries (in micro-units), which the "
        "database will refuse from here on. Nothing was changed. Something wrote them past the ledger: find out what, "
        "set each balance and version to those of the last entry, and migrate again.\n  " + "\n  ".join(rows)
    )


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0004_entry_balance_unique'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='entry',
            options={'base_manager_name': 'objects', 'ordering': ('-wallet_id', '-seq'), 'verbose_name_plural': 'entries'},
        ),
        migrations.AlterModelOptions(
            name='wallet',
            options={'base_manager_name': 'objects'},
        ),
        migrations.AddField(
            model_name='wallet',
            name='last_seq',
            field=models.GeneratedField(db_persist=True, expression=NullIf(models.F('version'), 0), output_field=models.BigIntegerField(null=True), serialize=False),
        ),
        migrations.RunPython(refuse_broken_wallets, migrations.RunPython.noop, elidable=True),
        migrations.AddConstraint(
            model_name='wallet',
            constraint=models.CheckConstraint(condition=models.Q(('version__gt', 0), models.Q(('balance', 0), ('version', 0)), _connector='OR'), name='wallet_without_entries_is_empty'),
        ),
        migrations.AddConstraint(
            model_name='wallet',
            constraint=CompositeForeignKey(columns=('id', 'last_seq', 'balance'), name='wallet_balance_of_last_entry', to_columns=('wallet_id', 'seq', 'balance_after'), to_table='billing_entry'),
        ),
    ]
