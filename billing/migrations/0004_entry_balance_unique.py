"""What the foreign key of the next migration refers to.

A migration of its own: while a large table of entries gets its index, wallets are not locked as well.
"""

from django.db import migrations, models

from billing import append_only


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0003_deposits'),
    ]

    operations = [
        # SQLite drops the triggers of a table that a constraint is added to or taken from: the first installs them
        # again on the way back, the last on the way here.
        migrations.RunPython(migrations.RunPython.noop, append_only.install),
        migrations.AddConstraint(
            model_name='entry',
            constraint=models.UniqueConstraint(fields=('wallet', 'seq', 'balance_after'), name='entry_balance_unique'),
        ),
        migrations.RunPython(append_only.install, migrations.RunPython.noop),
    ]
