"""Add the unique constraint that the foreign key of the next migration refers to.

Separate, so that wallets are not locked while a large table of entries gets its index.
"""

from django.db import migrations, models

from billing import append_only


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0003_deposits'),
    ]

    operations = [
        # SQLite drops a table's triggers when a constraint is added or removed: the first operation installs them again
        # in reverse, the last one forwards.
        migrations.RunPython(migrations.RunPython.noop, append_only.install),
        migrations.AddConstraint(
            model_name='entry',
            constraint=models.UniqueConstraint(fields=('wallet', 'seq', 'balance_after'), name='entry_balance_unique'),
        ),
        migrations.RunPython(append_only.install, migrations.RunPython.noop),
    ]
