from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0003_fill_reconciliation'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='order',
            index=models.Index(condition=models.Q(('placement', 'placing')), fields=['provider'], name='order_being_placed'),
        ),
        migrations.AddIndex(
            model_name='order',
            index=models.Index(condition=models.Q(('upstream_number__isnull', False)), fields=['provider', 'upstream_number'], name='order_by_upstream_number'),
        ),
        migrations.AddIndex(
            model_name='placementattempt',
            index=models.Index(fields=['account', 'started_at'], name='attempt_by_account'),
        ),
        migrations.AddConstraint(
            model_name='order',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('placement', 'in_doubt'), _negated=True), ('doubt_until__isnull', False), _connector='OR'), name='order_doubt_has_a_deadline'),
        ),
    ]
