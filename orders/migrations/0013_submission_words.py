"""Names only: what was placed is accepted, and placing is submitting. Tables, columns and stored values stay.

The state alone is changed where the database would build the same indexes and constraints again.
"""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, Q

SUBMISSIONS = [
    ("queued", "Queued"),
    ("placing", "Submitting"),
    ("placed", "Accepted"),
    ("refused", "Refused"),
    ("in_doubt", "In doubt"),
    ("withdrawn", "Withdrawn"),
]
OUTCOMES = [
    ("sending", "Sending"),
    ("placed", "Accepted"),
    ("refused", "Refused by the provider"),
    ("unclear", "Refused in unknown words"),
    ("not_sent", "Not sent"),
    ("unknown", "Unknown"),
]
CONSTRAINTS = [
    models.CheckConstraint(
        condition=~Q(submission="placed") | Q(upstream_id__isnull=False), name="order_placed_has_an_id"
    ),
    models.CheckConstraint(
        condition=~Q(submission="in_doubt") | Q(doubt_until__isnull=False), name="order_doubt_has_a_deadline"
    ),
    models.CheckConstraint(
        condition=~Q(submission__in=("refused", "withdrawn")) | Q(status="canceled", refunded=F("charge")),
        name="order_refused_is_refunded",
    ),
]
INDEXES = [
    models.Index(fields=["provider", "next_action_at"], condition=Q(submission="queued"), name="order_to_submit"),
    models.Index(fields=["provider"], condition=Q(submission="placing"), name="order_being_placed"),
    models.Index(fields=["provider"], condition=Q(submission="placed", finished_at=None), name="order_open"),
    models.Index(
        fields=["submission", "lease_until"],
        condition=Q(submission__in=("placing", "in_doubt")),
        name="order_unsettled",
    ),
]


class Migration(migrations.Migration):

    dependencies = [
        ("orders", "0012_fill_accepted_attempts"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                *(migrations.RemoveConstraint("order", one.name) for one in CONSTRAINTS),
                *(migrations.RemoveIndex("order", one.name) for one in INDEXES),
                migrations.AlterField(
                    "order", "placed_at", models.DateTimeField(blank=True, db_column="placed_at", null=True)
                ),
                migrations.RenameField("order", "placed_at", "accepted_at"),
                migrations.RenameField("order", "placement", "submission"),
                migrations.AlterField(
                    "order",
                    "submission",
                    models.CharField(choices=SUBMISSIONS, db_column="placement", default="queued", max_length=10),
                ),
                *(migrations.AddConstraint("order", one) for one in CONSTRAINTS),
                *(migrations.AddIndex("order", one) for one in INDEXES),
                migrations.AlterField(
                    "placementattempt",
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="submission_attempts",
                        to="orders.order",
                    ),
                ),
                migrations.AlterField(
                    "placementattempt",
                    "outcome",
                    models.CharField(choices=OUTCOMES, default="sending", max_length=10),
                ),
            ]
        ),
    ]
