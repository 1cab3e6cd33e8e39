"""What staff see of an order: what was sent at each attempt, and that the start count was corrected."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("orders", "0036_lists_of_staff")]

    operations = [
        migrations.AddField(
            model_name="placementattempt",
            name="sent",
            field=models.JSONField(
                blank=True, help_text="What was sent, without the key. See dispatch/sent_forms.", null=True
            ),
        ),
        migrations.AddField(
            model_name="order",
            name="start_corrected_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When staff corrected the start count. Answers do not change it any more.",
                null=True,
            ),
        ),
    ]
