"""Alerts on what waits for a person, runs short or is late."""

from __future__ import annotations

from collections import namedtuple
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from billing.deposits import cancel_deposit
from billing.said_paid import say_paid
from catalog.models import Provider, ProviderFigures
from orders.models import Order
from orders.states import ReviewReason
from panel.accounts.models import SignIn
from panel.accounts.owner_notices import tell_of_new_staff
from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.alerts.services import record_heartbeat
from panel.lib.money import MICRO
from panel.ops.watch import business
from panel.ops.watch.business import watch_business
from tests import make

pytestmark = pytest.mark.django_db

Usage = namedtuple("Usage", "total used free")


def open_texts() -> dict[str, str]:
    return dict(Alert.objects.filter(resolved_at=None).values_list("cause", "text"))


def test_panel_when_all_is_well_then_no_alert(provider, customer):
    watch_business()
    assert open_texts() == {}


def test_deposit_when_it_waits_then_an_alert_of_it_until_it_is_decided(customer):
    deposit = make.pending_deposit(customer)
    watch_business()
    assert open_texts() == {}
    say_paid(deposit_id=deposit.pk)
    watch_business()
    watch_business()
    alert = Alert.objects.get()
    assert alert.cause == Cause.DEPOSIT_WAITS.of(deposit.pk)
    assert alert.count == 1
    assert f"by {customer.email} waits for your decision" in alert.text
    cancel_deposit(deposit=deposit)
    watch_business()
    assert open_texts() == {}


def test_review_when_it_waits_then_one_alert_with_the_money(customer, service):
    order = make.accepted_order(customer, service)
    since = timezone.now() - timedelta(hours=3)
    Order.objects.filter(pk=order.pk).update(
        review_reason=ReviewReason.CONTRADICTION, review_note="x", review_since=since
    )
    watch_business()
    watch_business()
    text = open_texts()[Cause.REVIEWS]
    assert text.startswith("1 order waits for your decision, with $")
    assert text.endswith("the oldest for 3 hours.")
    assert Alert.objects.get().count == 1
    Order.objects.filter(pk=order.pk).update(review_reason="", review_note="", review_since=None)
    watch_business()
    assert open_texts() == {}


@pytest.mark.parametrize(
    ("values", "spent", "words"),
    [
        ({"balance": 9 * MICRO, "low_balance": 10 * MICRO}, 0, "less than the $10.00 that you set"),
        ({"balance": 10 * MICRO, "low_balance": 10 * MICRO}, 0, ""),
        ({"balance": 10 * MICRO, "low_balance_days": 3}, 35 * MICRO, "lasts for 2 days"),
        ({"balance": 10 * MICRO, "low_balance_days": 2}, 35 * MICRO, ""),
        ({"balance": MICRO}, 35 * MICRO, "lasts for less than a day"),
        ({"balance": None, "low_balance": 10 * MICRO}, 0, ""),
        ({"balance": 9 * MICRO, "low_balance": 10 * MICRO, "is_active": False}, 0, ""),
    ],
)
def test_balance_when_it_runs_short_then_told_before_an_order_is_refused(provider, values, spent, words):
    month_ago = timezone.now() - timedelta(days=30)
    Provider.objects.filter(pk=provider.pk).update(created_at=month_ago, **values)
    ProviderFigures.objects.update_or_create(provider=provider, defaults={"spent": spent})
    watch_business()
    text = open_texts().get(Cause.LOW_BALANCE.of(provider.pk), "")
    assert words in text
    assert bool(text) is bool(words)
    Provider.objects.filter(pk=provider.pk).update(is_active=False)
    watch_business()
    assert open_texts() == {}


def test_list_when_old_then_told(provider):
    Provider.objects.filter(pk=provider.pk).update(last_synced_at=timezone.now() - timedelta(days=3))
    watch_business()
    assert open_texts()[Cause.OLD_LIST.of(provider.pk)].endswith("was last imported 3 days ago.")


def test_sign_ins_when_of_staff_fail_then_told_and_of_customers_not(staff, customer):
    for user in (staff, customer):
        SignIn.objects.create(user=user, outcome=SignIn.Outcome.WRONG_PASSWORD, times=5)
    watch_business()
    assert open_texts() == {
        Cause.STAFF_SIGN_INS.of(staff.pk): f"Somebody failed 5 times within an hour to sign in as {staff.email}."
    }
    SignIn.objects.update(last_at=timezone.now() - timedelta(hours=2))
    watch_business()
    assert open_texts() == {}


def test_staff_when_new_then_told_for_a_day(staff, customer):
    tell_of_new_staff(user=staff, actor=customer)
    assert f"with no role by {customer.email}" in Alert.objects.get().text
    watch_business()
    assert len(open_texts()) == 1
    Alert.objects.update(created_at=timezone.now() - timedelta(days=2))
    watch_business()
    assert open_texts() == {}


@pytest.mark.parametrize(
    ("task", "late", "cause"),
    [("check_ledger", timedelta(hours=4), Cause.PROOF), ("backup", timedelta(hours=27), Cause.BACKUP)],
)
def test_work_when_done_long_ago_then_told_and_when_never_not(task, late, cause):
    watch_business()
    assert open_texts() == {}
    record_heartbeat(task=task, at=timezone.now() - late)
    watch_business()
    assert list(open_texts()) == [cause]
    record_heartbeat(task=task)
    watch_business()
    assert open_texts() == {}


@pytest.mark.parametrize(
    ("total", "free", "is_full"), [(10**12, 49 * 10**9, True), (10**11, 9 * 10**8, True), (10**11, 6 * 10**9, False)]
)
def test_disk_when_nearly_full_then_told(monkeypatch, total, free, is_full):
    monkeypatch.setattr(business.shutil, "disk_usage", lambda path: Usage(total, total - free, free))
    watch_business()
    assert (Cause.DISK in open_texts()) is is_full


def test_watch_when_one_fails_then_the_others_are_done(customer, monkeypatch):
    make.pending_deposit(customer, reference="TX 1")

    def fail() -> Any:
        raise ValueError("broken")

    monkeypatch.setattr(business, "watch_reviews", fail)
    fail.__name__ = "watch_reviews"
    with pytest.raises(ValueError, match="broken"):
        watch_business()
    assert len(open_texts()) == 1
