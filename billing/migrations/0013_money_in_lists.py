"""Indexes of the staff's list of payments, and of what came in by day."""

from django.conf import settings
from django.db import migrations, models

from panel.lib.concurrent_index import AddIndexConcurrently


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('billing', '0012_order_holds'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='entry',
            index=models.Index(condition=models.Q(('kind__in', ('deposit', 'bonus', 'fee'))), fields=['created_at'], name='entry_of_money_in'),
        ),
        AddIndexConcurrently(
            model_name='payment',
            index=models.Index(fields=['-hold', '-id'], name='payment_listed'),
        ),
        AddIndexConcurrently(
            model_name='payment',
            index=models.Index(fields=['method', '-hold', '-id'], name='payment_of_method'),
        ),
        AddIndexConcurrently(
            model_name='payment',
            index=models.Index(fields=['state', '-id'], name='payment_by_state'),
        ),
        AddIndexConcurrently(
            model_name='payment',
            index=models.Index(fields=['-seen_at', '-id'], name='payment_by_time'),
        ),
        AddIndexConcurrently(
            model_name='payment',
            index=models.Index(condition=models.Q(('reference', ''), _negated=True), fields=['reference'], name='payment_by_reference'),
        ),
    ]
