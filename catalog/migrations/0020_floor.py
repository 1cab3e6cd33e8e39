"""The exchange rate and minimum margin that an owner last confirmed: on an upgrade, those that stand.

The columns are nullable: SQLite adds them without copying the table, which would drop its triggers.
"""

from django.db import migrations, models
from django.db.models import F

from catalog.shop import catalog_version_triggers


def confirm_what_stands(apps, schema_editor):
    """Providers without an import so far are confirmed by their first one."""
    using = schema_editor.connection.alias
    providers = apps.get_model("catalog", "Provider").objects.using(using)
    providers.filter(last_synced_at__isnull=False).update(confirmed_exchange_rate=F("exchange_rate"))
    apps.get_model("catalog", "PricePolicy").objects.using(using).update(confirmed_minimum_bp=F("minimum_margin_bp"))


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0019_link_kinds'),
    ]

    operations = [
        # SQLite rebuilds the table on the way back, and drops its trigger.
        migrations.RunPython(migrations.RunPython.noop, catalog_version_triggers.install),
        migrations.AlterModelOptions(
            name='pricepolicy',
            options={'permissions': (('change_floor', 'Can set exchange rates, currencies and the minimum margin'),), 'verbose_name': 'panel margin', 'verbose_name_plural': 'panel margin'},
        ),
        migrations.AddField(
            model_name='pricepolicy',
            name='confirmed_minimum_bp',
            field=models.IntegerField(editable=False, help_text='The minimum margin that an owner last confirmed. Null: as it is.', null=True),
        ),
        migrations.AddField(
            model_name='provider',
            name='confirmed_exchange_rate',
            field=models.BigIntegerField(editable=False, help_text='As of the first import, or as an owner last confirmed it. Losses are judged by it. Null: as it is.', null=True),
        ),
        migrations.RunPython(catalog_version_triggers.install, migrations.RunPython.noop),
        migrations.RunPython(confirm_what_stands, migrations.RunPython.noop),
    ]
