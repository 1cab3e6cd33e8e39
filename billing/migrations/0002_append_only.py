"""Entries can be neither changed nor deleted, whoever asks."""

from django.db import migrations

from billing import append_only


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]

    operations = [migrations.RunPython(append_only.install, append_only.remove)]
