"""What a rise of a rate is compared with: the rates of the last week, and those at which staff put services on sale.

The columns of services are nullable: SQLite adds them without copying the table, which would drop its triggers.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0013_money_at_providers'),
    ]

    operations = [
        migrations.AddField(
            model_name='catalogchange',
            name='rose_too_far',
            field=models.BooleanField(db_default=False, default=False, help_text='Taken off sale because its rate rose by more than RATE_RISE_PERCENT.'),
        ),
        migrations.AddField(
            model_name='service',
            name='confirmed_rate',
            field=models.BigIntegerField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='service',
            name='put_on_sale_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AlterField(
            model_name='catalogchange',
            name='kind',
            field=models.CharField(choices=[('new', 'New'), ('gone', 'Gone'), ('returned', 'Returned'), ('rate_up', 'Rate up'), ('rate_down', 'Rate down'), ('limits', 'Limits'), ('flags', 'Flags or type'), ('text', 'Name or category'), ('canceled', 'Orders canceled')], max_length=10),
        ),
        migrations.AlterField(
            model_name='catalogchange',
            name='topic',
            field=models.CharField(choices=[('listing', 'Listing'), ('rate', 'Rate'), ('limits', 'Limits'), ('flags', 'Flags'), ('text', 'Text'), ('orders', 'Orders')], max_length=8),
        ),
        migrations.CreateModel(
            name='PastRate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField()),
                ('rate', models.BigIntegerField()),
                ('upstream', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='past_rates', to='catalog.upstreamservice')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('upstream', 'day'), name='past_rate_one_a_day')],
            },
        ),
    ]
