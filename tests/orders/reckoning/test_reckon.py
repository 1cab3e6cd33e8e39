"""The reckoning of a provider's money, over real HTTP: what our orders explain, and what they do not."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from catalog.models import Provider
from catalog.provider_accounts import check_balance, set_api_key
from orders import tasks
from orders.models import (
    CostCorrection,
    MoneyDay,
    MoneyEntry,
    PlacementAttempt,
    ProviderMoney,
)
from orders.reckoning.entries import EntryRefused, confirm_top_up, record_entry
from orders.reckoning.explain import expected_range
from orders.reckoning.reckon import reckon_due_providers, reckon_provider
from orders.states import Submission
from panel.alerts.models import Alert
from panel.sandbox.http import faults
from panel.sandbox.server import SandboxServer
from tests import make
from tests.orders.reckoning.conftest import Read
from tests.scenes import (
    at_once,
    create_accepted,
    create_in_doubt,
    create_known_orders,
    fresh,
    kill_at_each_statement,
    poll_now,
    reconcile_now,
    statements,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

# A hundred of the service, at $2 for 1,000.
COST = 200_000


@pytest.fixture
def customer(db: None) -> Any:
    return make.customer("alice@example.org", funds="1000")


def spend_elsewhere(upstream: SandboxServer, amount: str) -> None:
    """Let another program with our key spend there; a negative amount is a top-up."""
    upstream.set_balance(upstream.balance - Decimal(amount))


def today() -> MoneyDay:
    return MoneyDay.objects.get()


def alert() -> Alert | None:
    return Alert.objects.filter(cause__endswith=":money", resolved_at=None).first()


def entry(provider: Any, kind: MoneyEntry.Kind, amount: str, staff: Any, key: str = "k1") -> MoneyEntry:
    return record_entry(provider=provider, kind=kind, amount=make.micros(amount), note="n", key=key, actor=staff)


# -- what our orders explain -------------------------------------------------------------------------


def test_base_when_first_balance_is_read_then_it_is_the_base(provider: Any, upstream: Any, read: Read) -> None:
    assert expected_range(provider=provider) is None
    money = read()
    assert (money.base_balance, money.unexplained) == (1_000_000_000, 0)
    explained = expected_range(provider=provider)
    assert explained is not None
    assert (explained.lowest, explained.highest) == (999_980_000, 1_000_020_000)


def test_orders_when_accepted_then_they_explain_the_balance(customer: Any, service: Any, read: Read) -> None:
    read()
    create_accepted(customer, service, 3)
    money = read()
    assert (money.base_balance, money.unexplained) == (1_000_000_000 - 3 * COST, 0)
    assert (today().spent, today().expected, today().unexplained) == (3 * COST, 3 * COST, 0)
    poll_now()
    read()
    assert (today().spent, today().expected) == (3 * COST, 0)
    assert today().closing == 1_000_000_000 - 3 * COST
    assert alert() is None


def test_orders_when_counted_then_their_cost_counts_once(customer: Any, service: Any, read: Read) -> None:
    read()
    create_accepted(customer, service, 2)
    for _ in range(3):
        read()
        poll_now()
    assert today().spent == 2 * COST
    assert CostCorrection.objects.count() <= 1


@pytest.mark.parametrize("is_polled_before", [True, False])
def test_refund_when_it_shows_there_then_no_alert(
    customer: Any, service: Any, upstream: SandboxServer, read: Read, is_polled_before: bool
) -> None:
    """The refund of an order that was sent before the base raises the balance; a poll may show it later."""
    partial, canceled = create_accepted(customer, service, 2, quantity=5_000)
    poll_now()
    read()
    upstream.set_order(int(partial.upstream_id or 0), status="Partial", remains=2_500, charge="5")
    upstream.set_order(int(canceled.upstream_id or 0), status="Canceled", charge="0")
    assert upstream.balance == Decimal("995")
    if not is_polled_before:
        money = read()
        assert money.unexplained == make.micros("15")
        assert money.base_balance == make.micros("980")
        assert alert() is None
    poll_now()
    money = read()
    assert (money.base_balance, money.unexplained) == (make.micros("995"), 0)
    assert read().unexplained == 0
    assert (today().spent, today().topped_up, today().unexplained) == (-make.micros("15"), 0, 0)


def test_small_refund_when_it_shows_before_a_poll_then_no_alert(
    customer: Any, service: Any, upstream: SandboxServer, read: Read
) -> None:
    """Within the band, such a balance agrees. Once the poll has shown the refund, less is there than explained."""
    [order] = create_accepted(customer, service)
    poll_now()
    read()
    create_accepted(customer, service, 2, quantity=10_000)
    upstream.set_order(int(order.upstream_id or 0), status="Canceled", charge="0")
    money = read()
    assert (money.unexplained, money.base_balance) == (0, make.micros("960"))
    poll_now()
    assert read().unexplained == 0
    assert alert() is None
    assert today().unexplained == 0


def test_charge_when_higher_than_expected_then_no_alert(
    customer: Any, service: Any, upstream: SandboxServer, read: Read
) -> None:
    """An overcharge that the provider returns is explained; it has an alert of its own."""
    read()
    upstream.set_service(1, rate="3")
    create_accepted(customer, service, 2)
    assert read().unexplained == 0
    poll_now()
    assert read().unexplained == 0
    assert (today().spent, today().unexplained) == (3 * COST, 0)
    assert alert() is None


def test_rate_when_in_another_currency_then_costs_are_converted(
    customer: Any, upstream: SandboxServer, provider: Any, service: Any, read: Read
) -> None:
    Provider.objects.update(exchange_rate=12_000_000_000)  # 0.012
    make.reprice(services=type(service).objects.all())
    read()
    create_accepted(customer, service, 3)
    assert read().unexplained == 0
    poll_now()
    assert read().unexplained == 0
    assert abs(today().spent - 3 * COST) < 3 * 84
    assert alert() is None


# -- what they do not --------------------------------------------------------------------------------


def test_overcharge_when_charge_is_missing_then_alert(
    customer: Any, service: Any, upstream: SandboxServer, read: Read
) -> None:
    """Seen: $6 an order instead of $2, unnoticed, as the provider left `charge` out."""
    read()
    upstream.set_service(1, rate="6")
    for one in create_accepted(customer, service, 4, quantity=1_000):
        row = {"status": "In progress", "start_count": "0", "remains": "1000"}
        upstream.set_order(int(one.upstream_id or 0), answer=row)
    poll_now()
    money = read()
    assert (money.unexplained, money.base_balance) == (-make.micros("16"), make.micros("1000"))
    found = alert()
    assert found is not None
    assert "$16.00 is missing" in found.text
    assert "we sent 4 orders, which cost $8.00; for 4 of them it returned no charge" in found.text
    assert len(found.text) < 500


def test_key_when_another_program_uses_it_then_alert_until_recorded(
    customer: Any, service: Any, provider: Any, upstream: SandboxServer, read: Read, staff: Any
) -> None:
    read()
    create_accepted(customer, service)
    spend_elsewhere(upstream, "5")
    assert read().unexplained == -make.micros("5")
    assert alert() is not None
    read()
    assert today().spent == 0
    entry(provider, MoneyEntry.Kind.SPENDING, "5", staff)
    assert alert() is None
    assert (today().spent, today().other, today().unexplained) == (COST, make.micros("5"), 0)
    assert read().base_balance == make.micros("994.8")


def test_little_when_missing_from_each_reading_then_it_adds_up(upstream: SandboxServer, read: Read) -> None:
    read()
    for _ in range(2):
        spend_elsewhere(upstream, "0.009")
        assert read().unexplained == 0
    spend_elsewhere(upstream, "0.009")
    assert read().unexplained == -9_000
    assert alert() is not None


# -- doubts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accepted", [True, False])
def test_doubt_when_open_then_it_explains_either_balance(
    customer: Any, service: Any, provider: Any, upstream: SandboxServer, read: Read, accepted: bool
) -> None:
    create_known_orders(upstream, customer, service)
    poll_now()
    read()
    doubt = create_in_doubt(upstream, customer, service, accepted=accepted)
    money = read()
    assert money.unexplained == 0
    assert money.base_attempts == [doubt.submission_attempts.get().pk]
    assert today().doubts == COST
    read()
    if accepted:
        assert today().unexplained == -COST  # Explained by the doubt only.
        assert reconcile_now() == 1
        assert fresh(doubt).submission == Submission.ACCEPTED
    money = read()
    assert (money.unexplained, today().unexplained) == (0, 0)
    assert today().spent == (COST if accepted else 0)
    assert alert() is None
    assert bool(money.base_attempts) is not accepted


def test_doubt_when_more_is_missing_then_alert(
    customer: Any, service: Any, upstream: SandboxServer, read: Read
) -> None:
    read()
    create_in_doubt(upstream, customer, service)
    spend_elsewhere(upstream, "1")
    assert read().unexplained == -make.micros("1.2")
    assert alert() is not None


def test_order_when_being_sent_during_the_reading_then_either_agrees(
    customer: Any, service: Any, provider: Any, upstream: SandboxServer, read: Read
) -> None:
    """Its cost is in this balance or in the next one, and is counted once."""
    read()
    [order] = create_accepted(customer, service)
    attempt = PlacementAttempt.objects.filter(order=order)
    check_balance(provider=provider)
    read_at = Provider.objects.get(pk=provider.pk).balance_checked_at
    attempt.update(finished_at=read_at + timedelta(seconds=1))
    for _ in range(2):
        money = reckon_provider(provider=Provider.objects.get(pk=provider.pk))
        assert money is not None
        assert money.unexplained == 0
        assert money.base_attempts == [attempt.get().pk]
    attempt.update(finished_at=read_at)
    money = read()
    assert (money.unexplained, money.base_attempts) == (0, [])
    assert (today().spent, today().unexplained) == (COST, 0)


# -- top-ups -----------------------------------------------------------------------------------------


def test_top_up_when_confirmed_then_counted_once(
    provider: Any, upstream: SandboxServer, read: Read, staff: Any
) -> None:
    read()
    spend_elsewhere(upstream, "-50")
    assert read().unexplained == make.micros("50")
    assert alert() is None
    with pytest.raises(EntryRefused):
        confirm_top_up(provider=provider, amount=make.micros("49"), actor=staff)
    assert confirm_top_up(provider=provider, amount=make.micros("50"), actor=staff).actor == staff
    with pytest.raises(EntryRefused):
        confirm_top_up(provider=provider, amount=make.micros("50"), actor=staff)
    money = read()
    assert (money.base_balance, money.unexplained) == (make.micros("1050"), 0)
    assert (today().topped_up, today().unexplained) == (make.micros("50"), 0)
    assert MoneyEntry.objects.count() == 1


def test_top_up_when_recorded_early_then_counts_once_it_shows(
    provider: Any, customer: Any, service: Any, upstream: SandboxServer, read: Read, staff: Any
) -> None:
    """The provider may credit a payment hours later: until then nothing is missing, and nothing hides a loss."""
    read()
    entry(provider, MoneyEntry.Kind.TOP_UP, "50", staff)
    create_accepted(customer, service)
    poll_now()
    assert read().unexplained == 0
    explained = expected_range(provider=provider)
    assert explained is not None
    assert (explained.lowest, explained.highest) == (make.micros("999.78"), make.micros("1049.82"))
    assert today().topped_up == 0
    spend_elsewhere(upstream, "-50")
    assert read().unexplained == 0
    assert today().topped_up == make.micros("50")


def test_entry_when_its_form_is_sent_twice_then_recorded_once(provider: Any, read: Read, staff: Any) -> None:
    read()
    assert entry(provider, MoneyEntry.Kind.TOP_UP, "5", staff) == entry(provider, MoneyEntry.Kind.TOP_UP, "5", staff)
    with pytest.raises(EntryRefused):
        entry(provider, MoneyEntry.Kind.TOP_UP, "6", staff)
    with pytest.raises(EntryRefused):
        entry(provider, MoneyEntry.Kind.TOP_UP, "0", staff, key="k2")


# -- bases -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changed", ["account", "currency"])
def test_base_when_account_or_currency_changes_then_a_new_one(
    provider: Any, upstream: SandboxServer, read: Read, changed: str
) -> None:
    read()
    spend_elsewhere(upstream, "5")
    assert read().unexplained < 0
    provider.refresh_from_db()
    if changed == "account":
        set_api_key(provider=provider, api_key="new-key")
    else:
        provider.currency = "EUR"
    provider.save()
    assert expected_range(provider=Provider.objects.get(pk=provider.pk)) is None
    money = reckon_provider(provider=Provider.objects.get(pk=provider.pk))
    assert money is not None
    assert (money.base_balance, money.unexplained) == (make.micros("995"), 0)
    assert alert() is None


def test_reading_when_reckoned_again_then_nothing_changes(
    customer: Any, service: Any, provider: Any, read: Read
) -> None:
    read()
    create_accepted(customer, service)
    read()
    before = (list(ProviderMoney.objects.values()), list(MoneyDay.objects.values()))
    reckon_provider(provider=Provider.objects.get(pk=provider.pk))
    assert (list(ProviderMoney.objects.values()), list(MoneyDay.objects.values())) == before


@pytest.mark.django_db(transaction=True)
def test_reckoning_when_done_by_many_at_once_then_counted_once(
    customer: Any, service: Any, provider: Any, read: Read
) -> None:
    read()
    create_accepted(customer, service, 2)
    poll_now()
    check_balance(provider=provider)
    provider = Provider.objects.get(pk=provider.pk)
    results = at_once(4, lambda _: reckon_provider(provider=provider))
    assert [one for one in results if isinstance(one, Exception)] == []
    assert (today().spent, today().unexplained) == (2 * COST, 0)


def test_reckoning_when_killed_anywhere_then_nothing_is_half_counted(
    customer: Any, service: Any, provider: Any, upstream: SandboxServer, read: Read, staff: Any
) -> None:
    read()
    create_accepted(customer, service, 2)
    poll_now()
    entry(provider, MoneyEntry.Kind.TOP_UP, "50", staff)
    spend_elsewhere(upstream, "-50")
    check_balance(provider=provider)

    def everything() -> list[Any]:
        tables = (ProviderMoney, MoneyDay, CostCorrection, MoneyEntry)
        return [list(table._default_manager.order_by("pk").values()) for table in tables]

    def check() -> None:
        assert everything() == before

    before = everything()
    provider = Provider.objects.get(pk=provider.pk)
    assert kill_at_each_statement(lambda: reckon_provider(provider=provider), check) > 5
    assert (today().spent, today().topped_up, today().unexplained) == (2 * COST, make.micros("50"), 0)


def test_reckoning_when_many_orders_then_as_many_statements(customer: Any, service: Any, read: Read) -> None:
    read()
    counts = []
    for count in (1, 6):
        create_accepted(customer, service, count)
        poll_now()
        with statements() as found:
            read()
        counts.append(len(found))
    assert counts[0] == counts[1] <= 18


# -- the task ----------------------------------------------------------------------------------------


def test_round_when_a_balance_is_new_then_it_rests_first(provider: Any, read: Read) -> None:
    """An order that was claimed before the balance may not be committed yet."""
    check_balance(provider=provider)
    assert reckon_due_providers() == 0
    past = timezone.now() - timedelta(minutes=1)
    Provider.objects.update(balance_asked_at=past, balance_checked_at=past)
    tasks.reckon_providers()
    assert ProviderMoney.objects.get().read_at == past
    assert reckon_due_providers() == 0


def test_search_when_in_doubt_then_its_balance_is_a_reading(
    customer: Any, service: Any, provider: Any, upstream: SandboxServer
) -> None:
    create_known_orders(upstream, customer, service)
    create_in_doubt(upstream, customer, service)
    assert Provider.objects.get().balance_asked_at is None
    reconcile_now()
    assert Provider.objects.get().balance == make.micros("999.5")


def test_binding_when_more_money_is_missing_then_left_to_staff(
    customer: Any, service: Any, provider: Any, upstream: SandboxServer, read: Read
) -> None:
    """Seen: another program ordered the same quantity with our key, and a doubt was bound to its order."""
    from tests.orders.reconcile.test_search import order_outside_the_panel

    create_known_orders(upstream, customer, service)
    poll_now()
    read()
    doubt = create_in_doubt(upstream, customer, service, accepted=False)
    order_outside_the_panel(upstream, quantity=100)
    spend_elsewhere(upstream, "3")
    assert reconcile_now() == 0
    assert fresh(doubt).submission == Submission.IN_DOUBT
    note = doubt.submission_attempts.get().search_note
    assert "more money is missing there than our orders explain" in note
    spend_elsewhere(upstream, "-3")
    assert reconcile_now() == 1


def test_doubt_when_balance_cannot_be_read_then_last_reading_decides(
    customer: Any, service: Any, provider: Any, upstream: SandboxServer, read: Read
) -> None:
    create_known_orders(upstream, customer, service)
    read()
    spend_elsewhere(upstream, "3")
    read()
    create_in_doubt(upstream, customer, service)
    upstream.inject(faults.Fault(action="balance", body=b"{}", times=None))
    assert reconcile_now() == 0
    ProviderMoney.objects.update(unexplained=0)
    assert reconcile_now() == 1
