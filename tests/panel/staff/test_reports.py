"""The report of goodwill: sums by person and reason, the page and the file."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from panel.accounts.models import User
from panel.staff.models import StaffDeed
from panel.staff.reports import summed

ROWS = [
    ("a@example.org", "refund", "provider", 500, 2),
    ("a@example.org", "credit", "payment", 9_000, 1),
    ("a@example.org", "credit", "mistake", -100, 1),
    ("b@example.org", "bonus", "promotion", 700, 1),
    ("b@example.org", "deposit", "other", 50_000, 3),
]


def test_report_when_summed_then_payments_and_deposits_are_no_goodwill():
    report = summed(ROWS)
    assert list(report.people) == ["b@example.org", "a@example.org"]
    a = report.people["a@example.org"]
    assert (a.deeds, a.goodwill, a.by_kind["credit"], a.by_kind["refund"]) == (4, 400, 8_900, 500)
    assert (report.total.goodwill, report.total.deeds) == (1_100, 8)
    assert report.reasons["Payment outside of the panel"].goodwill == 0


def deed(person: User, customer: User, *, days: int = 0, **values) -> StaffDeed:
    created_at = timezone.now() - timedelta(days=days)
    shape = {"kind": "refund", "reason": "provider", "note": "=1+1", "amount": 2_500_000, "model": "orders.order"}
    return StaffDeed.objects.create(
        person=person, customer=customer, object_id=7, created_at=created_at, **{**shape, **values}
    )


@pytest.mark.django_db
def test_page_when_a_period_is_chosen_then_its_deeds_are_shown_and_exported(staff, staff_client, customer):
    deed(staff, customer)
    deed(staff, customer, days=40, amount=9_000_000)
    address = reverse("admin:staff_staffdeed_changelist")
    page = staff_client.get(address).content.decode()
    assert "$2.50" in page and "$11.50" not in page
    assert "$11.50" in staff_client.get(address, {"days": "90"}).content.decode()
    answer = staff_client.get(reverse("admin:staff_staffdeed_export"), {"days": "90"})
    lines = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    assert [(one["amount"], one["goodwill"], one["note"]) for one in lines] == [
        ("9", "yes", "'=1+1"),
        ("2.5", "yes", "'=1+1"),
    ]
