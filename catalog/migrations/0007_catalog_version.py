"""Install the triggers that renew the catalog's version."""

from django.db import migrations, models

from catalog.shop import catalog_version_triggers


class Migration(migrations.Migration):
    dependencies = [("catalog", "0006_shop")]

    operations = [
        migrations.CreateModel(
            name="CatalogVersion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("token", models.CharField(max_length=32)),
            ],
        ),
        migrations.RunPython(catalog_version_triggers.install, catalog_version_triggers.remove),
    ]
