"""Pauses of drip-feeds. The release before begins no run without a `next_run_at`, and can stop a paused one."""

import django.db.models.expressions
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0021_low_balance'),
        ('orders', '0031_refills_by_end'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='dripfeed',
            name='drip_ended_is_settled',
        ),
        migrations.AddField(
            model_name='dripfeed',
            name='paused_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='dripfeed',
            name='wait_left',
            field=models.PositiveIntegerField(blank=True, help_text='Seconds that were left until the next run when it was paused.', null=True),
        ),
        migrations.AddIndex(
            model_name='dripfeed',
            index=models.Index(condition=models.Q(('paused_at__isnull', False)), fields=['paused_at'], name='drip_paused'),
        ),
        migrations.AddConstraint(
            model_name='dripfeed',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(models.Q(models.Q(('next_run_at__isnull', False), ('paused_at', None)), models.Q(('next_run_at', None), ('paused_at__isnull', False), ('wait_left__isnull', False)), _connector='OR'), ('begun__lt', models.F('runs')), ('refunded', 0), ('state', 'running')), models.Q(models.Q(('state', 'running'), _negated=True), ('next_run_at', None), ('refunded', django.db.models.expressions.CombinedExpression(models.F('charge'), '-', django.db.models.expressions.CombinedExpression(models.F('run_charge'), '*', models.F('begun'))))), _connector='OR'), name='drip_ended_is_settled'),
        ),
    ]
