"""Index all entries by kind, for the staff's list with that filter.

Postings go on meanwhile. The release before does not need it.
"""

from django.db import migrations, models

from panel.lib.concurrent_index import AddIndexConcurrently


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("billing", "0007_entry_count"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="entry",
            index=models.Index(fields=["kind", "-id"], name="entry_of_kind"),
        ),
    ]
