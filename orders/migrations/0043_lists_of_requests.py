from django.db import migrations, models

from panel.lib.concurrent_index import AddIndexConcurrently


class Migration(migrations.Migration):
    """List cancel requests and refills by state and provider, and find refills by their provider's id."""

    atomic = False

    dependencies = [("orders", "0042_staff_views_and_columns")]

    operations = [
        AddIndexConcurrently(
            model_name="cancelrequest",
            index=models.Index(fields=["state", "-id"], name="cancel_request_by_state"),
        ),
        AddIndexConcurrently(
            model_name="cancelrequest",
            index=models.Index(fields=["provider", "-id"], name="cancel_request_of_provider"),
        ),
        AddIndexConcurrently(
            model_name="cancelrequest",
            index=models.Index(fields=["provider", "state", "-id"], name="cancel_request_by_both"),
        ),
        AddIndexConcurrently(
            model_name="refill",
            index=models.Index(fields=["state", "-id"], name="refill_by_state"),
        ),
        AddIndexConcurrently(
            model_name="refill",
            index=models.Index(fields=["provider", "-id"], name="refill_of_provider"),
        ),
        AddIndexConcurrently(
            model_name="refill",
            index=models.Index(fields=["provider", "state", "-id"], name="refill_by_both"),
        ),
        AddIndexConcurrently(
            model_name="refill",
            index=models.Index(
                condition=models.Q(("upstream_id", ""), _negated=True),
                fields=["provider", "upstream_id"],
                name="refill_by_upstream_id",
            ),
        ),
    ]
