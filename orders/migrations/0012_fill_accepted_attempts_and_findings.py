"""Writes down of the orders that are there which attempt was accepted, and reviews as reason and figures.

A sentence that tells no figures stays: it stands for every finding of its reason. Apart from the changes of the
tables: PostgreSQL refuses those while updates of the same transaction are open.
"""

import re
from decimal import Decimal

from django.db import migrations
from django.db.models import OuterRef, Q, Subquery

BATCH = 5_000
_REMAINS = re.compile(r"contradiction: (?:It says that|Partial, and) (-?[0-9]{1,16}|an unknown number) of ")
_SILENT = re.compile(r"contradiction: Partial(?: with neither|, and it does not say how many)")
_CHARGED = re.compile(r"(?:It charged ([0-9]{1,16}(?:\.[0-9]{1,9})?) of an expected|charged nothing we could read)")


def finding_of(sentence):
    if sentence.startswith("unknown_status: Status: "):
        return f"unknown_status:{sentence.removeprefix('unknown_status: Status: ')}"[:100]
    remains, charged = _REMAINS.match(sentence), _CHARGED.search(sentence)
    if not remains and not _SILENT.match(sentence):
        return sentence
    count = "-" if not remains or remains[1].startswith("an") else remains[1]
    if charged is None and "with neither" not in sentence:
        return sentence
    micros = "-" if charged is None or charged[1] is None else int(Decimal(charged[1]) * 1_000_000)
    return f"contradiction:{count}/{micros}"


def fill(apps, schema_editor):
    alias = schema_editor.connection.alias
    orders = apps.get_model("orders", "Order").objects.using(alias).order_by()
    attempts = apps.get_model("orders", "PlacementAttempt").objects.using(alias)
    last = orders.order_by("-pk").values_list("pk", flat=True).first() or 0
    for start in range(0, last, BATCH):
        part = orders.filter(pk__gt=start, pk__lte=start + BATCH)
        accepted = attempts.filter(token=OuterRef("claim_token")).values("pk")[:1]
        part.filter(placement="placed").exclude(claim_token="").update(accepted_attempt_id=Subquery(accepted))
        reviewed = []
        for order in part.filter(~Q(closed_review="") | Q(review_reason__in=("contradiction", "unknown_status"))):
            order.closed_review = finding_of(order.closed_review)
            found = finding_of(f"{order.review_reason}: {order.review_note}")
            order.review_finding = "" if ": " in found else found
            reviewed.append(order)
        orders.bulk_update(reviewed, ["closed_review", "review_finding"], batch_size=200)


class Migration(migrations.Migration):

    dependencies = [
        ("orders", "0011_accepted_attempt_and_findings"),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
