"""Names only: the state last published, and changes in the shop. Tables, indexes and constraints stay."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("catalog", "0010_inbox_name"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterModelTable("shelfmark", "catalog_shelfmark"),
                migrations.RenameModel("ShelfMark", "PublishedState"),
                migrations.AlterModelTable("shelfnews", "catalog_shelfnews"),
                migrations.RenameModel("ShelfNews", "ShopChange"),
                migrations.AlterModelOptions("shopchange", {"ordering": ("-noticed_at", "-pk")}),
                migrations.AlterField(
                    "publishedstate",
                    "service",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="published_state",
                        serialize=False,
                        to="catalog.service",
                    ),
                ),
                migrations.AlterField(
                    "syncrun",
                    "provider",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="import_runs",
                        to="catalog.provider",
                    ),
                ),
            ]
        ),
    ]
