"""Days that are compared with a gateway that keeps books of its own. Differences are planted on either side."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from billing.intake.crediting import credit_payment, dismiss_payment
from billing.intake.invoices import open_invoice
from billing.intake.sync import sync_invoice
from billing.models import ComparedDay, Invoice, Payment
from billing.reconciliation import days
from billing.reconciliation.days import DayRefused, comparison_of, request_comparison, run_comparisons
from billing.wallets import balance_of
from panel.alerts.models import Alert
from panel.lib import clock
from panel.lib.money import MICRO
from panel.lib.panel_days import panel_day, panel_moment
from panel.ops.pruning.old_rows import prune_compared_days
from tests import make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

YESTERDAY = timedelta(days=1)


@pytest.fixture
def method(method_of):
    return method_of()


@pytest.fixture
def noon():
    """Noon of yesterday."""
    return panel_moment(panel_day()) - timedelta(hours=12)


def paid(books, method, noon, amount="20", *, email="alice@example.org", is_synced=True, **values) -> Invoice:
    """Let a customer pay at yesterday's noon, and be credited then."""
    user = make.customer(email)
    invoice = open_invoice(deposit=make.pending_deposit(user, "20", method=method))
    books.pay(invoice.our_ref, amount, at=noon.timestamp(), **values)
    if is_synced:
        sync_invoice(invoice_id=invoice.pk)
        Payment.objects.filter(deposit=invoice.deposit).update(seen_at=noon)
        Payment.objects.filter(deposit=invoice.deposit, credited__gt=0).update(credited_at=noon)
    return invoice


def compared(method, noon) -> ComparedDay:
    row = request_comparison(method=method, day=panel_day(noon))
    run_comparisons()
    row.refresh_from_db()
    return row


def verdicts(row) -> list[str]:
    found = comparison_of(row)
    return sorted(line.verdict.name for line in found.lines)


def open_alerts() -> list[str]:
    return list(Alert.objects.filter(cause__startswith="payment-day:", resolved_at=None).values_list("text", flat=True))


def test_day_when_all_agrees_then_green_and_no_alert(books, method, noon):
    paid(books, method, noon)
    row = compared(method, noon)
    assert (row.differences, row.came_in, row.credited, row.problem) == (0, 20 * MICRO, 20 * MICRO, "")
    assert open_alerts() == []


def test_day_when_the_gateway_has_what_we_never_saw_then_found_and_mended(books, method, noon):
    invoice = paid(books, method, noon, is_synced=False)
    row = compared(method, noon)
    assert (row.differences, verdicts(row)) == (1, ["ONLY_THERE"])
    assert "1 payment differs" in open_alerts()[0]
    sync_invoice(invoice_id=invoice.pk)
    assert verdicts(row) == ["AGREES"]
    ComparedDay.objects.update(counted_at=timezone.now() - timedelta(hours=2))
    run_comparisons()
    row.refresh_from_db()
    assert (row.differences, open_alerts(), books.calls["list"]) == (0, [], 1)


def test_day_when_we_credited_what_is_not_listed_then_found(books, method, noon):
    invoice = paid(books, method, noon)
    books.by_ref(invoice.our_ref).payments.clear()
    assert verdicts(compared(method, noon)) == ["ONLY_HERE"]


def test_day_when_figures_differ_then_found(books, method, noon):
    invoice = paid(books, method, noon)
    books.by_ref(invoice.our_ref).payments[0].amount = "19.99"
    row = compared(method, noon)
    assert (verdicts(row), row.came_in, row.credited) == (["DIFFERS"], 19_990_000, 20 * MICRO)


def test_day_when_payments_are_held_dismissed_or_gone_then_as_they_are(books, method, noon, staff):
    paid(books, method, noon, currency="EUR")
    dismissed = paid(books, method, noon, currency="EUR", email="bob@example.org")
    payment = Payment.objects.get(deposit=dismissed.deposit)
    dismiss_payment(payment_id=payment.pk, actor=staff, note="Paid back.")
    gone = paid(books, method, noon, status="pending", email="carol@example.org")
    books.by_ref(gone.our_ref).payments[0].status = "vanished"
    sync_invoice(invoice_id=gone.pk)
    row = compared(method, noon)
    assert (row.differences, verdicts(row)) == (0, ["DECIDED", "NO_MONEY", "WAITS"])


def test_payment_when_seen_days_late_then_no_difference(books, method, noon):
    """Expired invoices are asked about once a day: the list of that day does not name what is seen then."""
    invoice = paid(books, method, noon)
    books.by_ref(invoice.our_ref).payments[0].at = (noon - timedelta(days=3)).timestamp()
    row = compared(method, noon)
    assert (row.differences, verdicts(row), books.calls["list"]) == (0, [], 2)
    assert comparison_of(row).elsewhere == 1


@pytest.mark.parametrize("at", ["before", "after"])
def test_payment_when_at_the_edge_then_of_the_gateways_day(books, method, noon, at):
    invoice = paid(books, method, noon)
    begin = panel_moment(panel_day(noon))
    edge = begin - timedelta(minutes=1) if at == "before" else begin + timedelta(days=1, minutes=1)
    books.by_ref(invoice.our_ref).payments[0].at = edge.timestamp()
    row = compared(method, noon)
    assert (row.differences, verdicts(row), comparison_of(row).elsewhere) == (0, [], 1)


def test_list_when_it_cannot_be_read_then_the_last_one_stays_and_it_is_said(books, method, noon):
    paid(books, method, noon)
    compared(method, noon)
    books.faults["list:garbled"] = days.MAX_ATTEMPTS
    row = compared(method, noon)
    assert "cannot be read" in row.problem and row.differences == 0 and row.due_at is not None
    for _ in range(days.MAX_ATTEMPTS - 1):
        ComparedDay.objects.filter(due_at__isnull=False).update(due_at=timezone.now())
        run_comparisons()
    row.refresh_from_db()
    assert row.due_at is None and "could not be compared" in open_alerts()[0]
    assert compared(method, noon).problem == "" and open_alerts() == []


def test_list_when_it_has_what_cannot_be_then_a_difference_in_words(books, method, noon):
    invoice = paid(books, method, noon)
    twice = books.pay(invoice.our_ref, "-3", at=noon.timestamp())
    twice.id = "below"
    row = compared(method, noon)
    assert verdicts(row) == ["AGREES", "UNREADABLE"]


def test_yesterday_when_nobody_asks_then_compared_once_by_itself(books, method, noon, monkeypatch):
    paid(books, method, noon, is_synced=False)
    monkeypatch.setattr(clock, "now", lambda: panel_moment(panel_day()) + timedelta(hours=3))
    for _ in range(3):
        run_comparisons()
    row = ComparedDay.objects.get()
    assert (row.day, row.differences, books.calls["list"]) == (panel_day(noon), 1, 1)


def test_difference_when_a_day_old_then_asked_about_again(books, method, noon):
    paid(books, method, noon, is_synced=False)
    compared(method, noon)
    ComparedDay.objects.update(asked_at=timezone.now() - timedelta(hours=21))
    run_comparisons()
    assert books.calls["list"] == 2


def test_answer_when_asked_again_meanwhile_then_the_older_changes_nothing(books, method, noon):
    """The first asking hangs; a second one is answered; then the first answer comes."""
    paid(books, method, noon, is_synced=False)
    row = compared(method, noon)
    late = ComparedDay.objects.select_related("method").get()
    late.asked_at -= timedelta(minutes=5)
    before = ComparedDay.objects.values().get()
    books.invoices.clear()
    days.compare_day(row=late)
    assert ComparedDay.objects.values().get() == before
    row.refresh_from_db()
    assert verdicts(row) == ["ONLY_THERE"]


def test_day_when_it_cannot_be_compared_then_refused(method, noon):
    with pytest.raises(DayRefused, match="not begun"):
        request_comparison(method=method, day=panel_day() + timedelta(days=2))
    with pytest.raises(DayRefused, match="no gateway"):
        request_comparison(method=make.payment_method(), day=panel_day(noon))
    assert not ComparedDay.objects.exists()


def test_today_when_more_comes_after_the_list_then_no_difference(books, method):
    now = timezone.now()
    paid(books, method, now)
    row = compared(method, now)
    late = paid(books, method, timezone.now() + timedelta(seconds=1), email="bob@example.org")
    assert balance_of(customer=late.deposit.customer) == 20 * MICRO
    assert {line.verdict.name for line in comparison_of(row).lines} == {"AGREES"}


def test_payment_when_credited_days_after_it_was_seen_then_still_of_its_day(books, method, noon):
    invoice = paid(books, method, noon)
    books.by_ref(invoice.our_ref).payments.clear()
    Payment.objects.update(credited_at=timezone.now())
    credit_payment(payment_id=Payment.objects.get().pk)
    assert verdicts(compared(method, noon)) == ["ONLY_HERE"]


def test_days_when_old_then_pruned_and_payments_stay(books, method, noon):
    paid(books, method, noon)
    compared(method, noon)
    assert prune_compared_days() is None
    ComparedDay.objects.update(day=panel_day() - timedelta(days=400))
    assert (prune_compared_days(), Payment.objects.count()) == (1, 1)
