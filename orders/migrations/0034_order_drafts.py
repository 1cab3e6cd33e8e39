"""The order that a customer typed and did not create yet."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0033_saved_views'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='OrderDraft',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('typed', models.JSONField(default=dict)),
                ('request_key', models.CharField(blank=True, max_length=64)),
                ('service_name', models.CharField(blank=True, max_length=500)),
                ('quantity', models.BigIntegerField(blank=True, null=True)),
                ('charge', models.BigIntegerField(blank=True, null=True)),
                ('is_short', models.BooleanField(default=False)),
                ('updated_at', models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
                ('customer', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('is_short', False), ('charge__gt', 0), _connector='OR'), name='draft_short_of_a_charge')],
            },
        ),
    ]
