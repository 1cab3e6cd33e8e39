"""Find the acts on one object, such as an order or a customer, without reading the whole log."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [("activity", "0001_activity")]

    operations = [
        migrations.RunSQL(
            "CREATE INDEX IF NOT EXISTS activity_of_object ON django_admin_log (content_type_id, object_id, id)",
            "DROP INDEX IF EXISTS activity_of_object",
        ),
    ]
