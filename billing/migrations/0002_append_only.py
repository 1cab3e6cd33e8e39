"""Make entries append-only: triggers refuse every change and deletion."""

from django.db import migrations

from billing import append_only


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]

    operations = [migrations.RunPython(append_only.install, append_only.remove)]
