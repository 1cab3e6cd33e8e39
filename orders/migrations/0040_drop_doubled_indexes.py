import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Drop two indexes of orders that others begin with now."""

    dependencies = [("orders", "0039_list_by_service_and_provider")]

    operations = [
        migrations.AlterField(
            model_name="order",
            name="service",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="orders",
                to="catalog.service",
            ),
        ),
        migrations.AlterField(
            model_name="order",
            name="provider",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="orders",
                to="catalog.provider",
            ),
        ),
    ]
