"""Alerts: one open row per cause, however often and by however many workers it is raised."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.alerts.services import raise_alert, resolve_alert
from tests.threads import in_background, in_threads, wait_for_a_blocked_connection


@pytest.mark.django_db
def test_raise_alert_when_repeated_then_one_row_counts():
    raise_alert(cause=Cause.TROUBLE, about=1, text="Out of money", level="danger")
    raise_alert(cause=Cause.TROUBLE, about=1, text="Still out of money")
    raise_alert(cause=Cause.TROUBLE, about=2, text="Another one")
    rows = Alert.objects.order_by("pk").values_list("cause", "text", "level", "count")
    assert list(rows) == [
        ("provider:1:trouble", "Still out of money", "danger", 2),
        ("provider:2:trouble", "Another one", "warning", 1),
    ]


@pytest.mark.django_db
def test_resolve_alert_when_open_then_closed_and_the_next_is_new():
    resolve_alert(cause=Cause.LEDGER)
    raise_alert(cause=Cause.LEDGER, text="first")
    resolve_alert(cause=Cause.LEDGER)
    resolve_alert(cause=Cause.LEDGER)
    raise_alert(cause=Cause.LEDGER, text="second")
    assert list(Alert.objects.order_by("pk").values_list("text", "count")) == [("first", 1), ("second", 1)]
    assert Alert.objects.get(resolved_at=None).text == "second"


@pytest.mark.django_db
def test_raise_alert_when_text_is_long_then_cut_without_rollback():
    with transaction.atomic():
        raise_alert(cause=Cause.LEDGER, text="x" * 5_000)
        raise_alert(cause=Cause.LEDGER, text="y" * 5_000)
    assert Alert.objects.get().text == "y" * 500


@pytest.mark.django_db(transaction=True)
def test_raise_alert_when_8_threads_see_same_trouble_then_one_row():
    results = in_threads(*[lambda: raise_alert(cause=Cause.LEDGER, text="trouble")] * 8)
    assert results == [None] * 8
    assert list(Alert.objects.values_list("cause", "count", "resolved_at")) == [("ledger", 8, None)]


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_raise_alert_when_another_inserts_first_then_count_grows():
    with transaction.atomic():
        raise_alert(cause=Cause.LEDGER, text="first")
        # The second cannot see the first yet; its insert waits for the first one's commit or rollback.
        second = in_background(lambda: raise_alert(cause=Cause.LEDGER, text="second"))
        wait_for_a_blocked_connection()
    assert second() is None
    assert list(Alert.objects.values_list("text", "count", "resolved_at")) == [("second", 2, None)]


@pytest.mark.django_db
def test_alert_when_a_second_open_one_is_inserted_then_rejected():
    raise_alert(cause=Cause.LEDGER, text="first")
    with pytest.raises(IntegrityError), transaction.atomic():
        Alert.objects.create(cause=Cause.LEDGER, text="second")
    assert Alert.objects.get().text == "first"
