from django.db import migrations, models


class Migration(migrations.Migration):
    """Store which orders are lines of a bulk order."""

    dependencies = [("orders", "0037_order_pages")]

    operations = [
        migrations.AddField(
            model_name="order",
            name="is_bulk",
            field=models.BooleanField(db_default=False, default=False, help_text="A line of a bulk order."),
        ),
    ]
