import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Drop the indexes of the requests' providers, with which others begin now."""

    dependencies = [("orders", "0043_lists_of_requests")]

    operations = [
        migrations.AlterField(
            model_name="cancelrequest",
            name="provider",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="catalog.provider",
            ),
        ),
        migrations.AlterField(
            model_name="refill",
            name="provider",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="catalog.provider",
            ),
        ),
    ]
