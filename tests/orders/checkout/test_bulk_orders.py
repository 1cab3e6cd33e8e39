"""Bulk orders: creating all orders of a text in one request."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from billing.models import Entry
from catalog.models import Service
from orders.checkout.bulk_orders import CreatedBulk, PreviewChanged, create_bulk, created_orders
from orders.checkout.bulk_quotes import BulkQuote, quote_bulk
from orders.checkout.create import NotEnoughFunds
from orders.models import Order, OrderEvent
from panel.ops.invariants import find_breaches
from tests import make
from tests.scenes import at_once, kill_at_each_statement, money_of, nothing_changes, statements

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

LINK = "https://example.com/a"


def quoted(customer: Any, text: str) -> BulkQuote:
    return quote_bulk(customer=customer, text=text)


def order_all(customer: Any, text: str, *, key: str = "", seal: str | None = None) -> Any:
    seal = quoted(customer, text).seal if seal is None else seal
    return create_bulk(customer=customer, text=text, request_key=key or uuid4().hex, seal=seal)


def test_lines_when_ordered_then_each_is_an_order_with_its_own_entry(customer, service):
    created = order_all(customer, f"{service.pk} | {LINK} | 1000\n{service.pk} | @me | 100\nnonsense")
    first, second = Order.objects.order_by("pk")
    assert (created.orders, created.charge, [line.text for line in created.left]) == (2, 2_750_000, ["nonsense"])
    assert (first.link, first.quantity, first.charge, first.submission) == (LINK, 1000, 2_500_000, "queued")
    assert (second.link, second.link_key, second.quantity) == ("@me", "@me", 100)
    assert money_of(customer) == (7_250_000, [("deposit", 10_000_000), ("order", -2_500_000), ("order", -250_000)])
    assert list(Entry.objects.filter(kind="order").order_by("seq").values_list("order_ref", flat=True)) == [
        first.pk,
        second.pk,
    ]
    assert [(event.order_id, event.kind) for event in OrderEvent.objects.order_by("pk")] == [
        (first.pk, "ordered"),
        (second.pk, "ordered"),
    ]


def test_order_when_created_in_bulk_then_it_equals_a_single_order(customer, service):
    order_all(customer, f"{service.pk} | {LINK} | 100")
    make.order(customer, service)
    mass, single = Order.objects.order_by("pk").values()
    own = {"id", "request_key", "is_bulk", "created_at", "queued_at", "next_action_at", "turn"}
    assert {name: value for name, value in mass.items() if name not in own} == {
        name: value for name, value in single.items() if name not in own
    }


def test_request_when_repeated_then_it_returns_the_first_orders(customer, service):
    text, key = f"{service.pk} | {LINK} | 100\n{service.pk} | @me | 100", uuid4().hex
    first = order_all(customer, text, key=key)
    Service.objects.update(price=9_000_000)  # A later price does not matter.
    with nothing_changes():
        again = create_bulk(customer=customer, text=text, request_key=key, seal="")
    assert (again.orders, again.charge) == (first.orders, first.charge) == (2, 500_000)


def test_request_when_key_reused_for_other_lines_then_nothing_lost(customer, service):
    text, key = f"{service.pk} | {LINK} | 100", uuid4().hex
    seal = quoted(customer, text).seal
    create_bulk(customer=customer, text=text, request_key=key, seal=seal)
    with nothing_changes(), pytest.raises(PreviewChanged):
        create_bulk(customer=customer, text=f"{text}\n{service.pk} | @me | 100", request_key=key, seal=seal)


def test_request_when_repeated_then_the_same_failed_lines_are_left(customer, service):
    text, key = f"{service.pk} | {LINK} | 100\n{service.pk} | no link | 100", uuid4().hex
    seal = quoted(customer, text).seal
    first = create_bulk(customer=customer, text=text, request_key=key, seal=seal)
    Service.objects.update(is_on_sale=False)  # Lines that were ordered are not left, though off sale by now.
    again = create_bulk(customer=customer, text=text, request_key=key, seal=seal)
    assert [line.number for line in first.left] == [line.number for line in again.left] == [2]


def test_request_key_when_customers_share_it_then_each_gets_orders(customer, other, service):
    key = uuid4().hex
    order_all(customer, f"{service.pk} | {LINK} | 100", key=key)
    order_all(other, f"{service.pk} | {LINK} | 100", key=key)
    assert [order.customer for order in Order.objects.order_by("pk")] == [customer, other]


def test_balance_when_one_line_is_not_covered_then_nothing_ordered(customer, service):
    text = "\n".join(f"{service.pk} | https://example.com/{n} | 1000" for n in range(5))
    with nothing_changes(), pytest.raises(NotEnoughFunds) as refused:
        order_all(customer, text)
    assert refused.value.missing == 2_500_000
    assert quoted(customer, text).missing == 2_500_000


def test_prices_when_one_rose_since_preview_then_nothing_ordered(customer, service):
    second = make.service(service.upstream.provider, external_id="2")
    text = f"{service.pk} | {LINK} | 100\n{second.pk} | {LINK} | 100"
    seal = quoted(customer, text).seal
    Service.objects.filter(pk=second.pk).update(price=second.price + 10_000)
    Service.objects.filter(pk=service.pk).update(price=service.price - 10_000)  # It does not make up for the other.
    with nothing_changes(), pytest.raises(PreviewChanged):
        order_all(customer, text, seal=seal)


def test_prices_when_fallen_since_preview_then_lower_price_charged(customer, service):
    text = f"{service.pk} | {LINK} | 1000"
    seal = quoted(customer, text).seal
    Service.objects.update(price=2_400_000)
    assert order_all(customer, text, seal=seal).charge == 2_400_000


@pytest.mark.parametrize("was_on_sale", [True, False])
def test_service_when_put_on_or_off_sale_then_nothing_ordered(was_on_sale, customer, service):
    second = make.service(service.upstream.provider, external_id="2")
    text = f"{service.pk} | {LINK} | 100\n{second.pk} | {LINK} | 100"
    Service.objects.filter(pk=second.pk).update(is_on_sale=was_on_sale)
    seal = quoted(customer, text).seal
    Service.objects.filter(pk=second.pk).update(is_on_sale=not was_on_sale)
    with nothing_changes(), pytest.raises(PreviewChanged):
        order_all(customer, text, seal=seal)


def test_lines_when_edited_since_the_preview_then_nothing_is_ordered(customer, service):
    seal = quoted(customer, f"{service.pk} | {LINK} | 100").seal
    with nothing_changes(), pytest.raises(PreviewChanged):
        order_all(customer, f"{service.pk} | https://example.com/other | 100", seal=seal)


def test_seal_when_forged_then_the_real_price_is_charged_or_nothing(customer, service):
    """A seal with higher charges is charged at today's price; one with lower charges orders nothing."""
    text = f"{service.pk} | {LINK} | 1000"
    seen = quoted(customer, text).seal
    print_ = seen.partition(":")[0]
    forged = [
        "",
        ":",
        "x",
        print_,
        f"{print_}:",
        f"{print_}:0",
        f"{print_}:-1",
        f"{print_}:\uff19",
        f"{print_}:2499999",
    ]
    forged += [
        f"{print_}:2500000,2500000",
        f"{print_}:99999999999999999999x",
        f"{print_}:inf",
        f"{print_}:{'9' * 5_000}",
        "\0" * 9,
    ]
    for seal in forged:
        with nothing_changes(), pytest.raises(PreviewChanged):
            order_all(customer, text, seal=seal)
    assert order_all(customer, text, seal=f"{print_}:{'9' * 18}").charge == 2_500_000


def test_process_when_killed_at_any_statement_then_all_or_nothing(customer, service):
    text, key = f"{service.pk} | {LINK} | 1000\n{service.pk} | @me | 100", uuid4().hex
    seal = quoted(customer, text).seal

    def nothing() -> None:
        assert (Order.objects.count(), OrderEvent.objects.count()) == (0, 0)
        assert money_of(customer) == (10_000_000, [("deposit", 10_000_000)])

    assert kill_at_each_statement(lambda: order_all(customer, text, key=key, seal=seal), nothing) > 8
    assert order_all(customer, text, key=key, seal=seal).orders == Order.objects.count() == 2


def test_lines_when_there_are_a_thousand_then_statements_bounded(service):
    rich = make.customer("rich@example.org", funds="10000")

    def ordered(count: int) -> int:
        text = "\n".join(f"{service.pk} | https://example.com/{uuid4().hex} | 100" for _ in range(count))
        seal = quoted(rich, text).seal
        with statements() as found:
            assert order_all(rich, text, seal=seal).orders == count
        return len(found)

    few, all_of_them = ordered(10), ordered(1_000)
    assert few <= 15
    # SQLite accepts a thousand parameters in a statement: about twenty orders.
    assert all_of_them <= (25 if connection.vendor == "postgresql" else 100)


def test_header_when_changed_since_preview_then_nothing_is_ordered(customer, service):
    """The same lines below other columns are other orders."""
    lines = f"{service.pk} | {LINK} | 100 | @me"
    seal = quoted(customer, f"service | link | quantity | note\n{lines}").seal
    with nothing_changes(), pytest.raises(PreviewChanged):
        order_all(customer, f"service | note | quantity | link\n{lines}", seal=seal)


def test_comments_when_ordered_in_bulk_then_sent_and_charged_as_a_single_order(customer, service):
    comments = make.service(
        service.upstream.provider, external_id="2", type="custom_comments", low=1, rate="20", name="Comments"
    )
    order_all(customer, f"{comments.pk} | {LINK} | Nice!\\nSo good")
    make.order(customer, comments, comments="Nice!\nSo good", quantity=None)
    mass, single = Order.objects.order_by("pk")
    for name in ("quantity", "charge", "params", "service_type", "expected_cost"):
        assert getattr(mass, name) == getattr(single, name), name
    assert (mass.quantity, mass.charge) == (2, 50_000)


def test_created_orders_when_asked_for_by_key_then_only_the_customers_own(customer, other, service):
    text, key = f"{service.pk} | {LINK} | 100\nnonsense\n{service.pk} | @me | 100", uuid4().hex
    created = order_all(customer, text, key=key)
    order_all(other, text, key=key)
    found = created_orders(customer=customer, key=created.key)
    assert [(order.customer, order.link) for order in found] == [(customer, LINK), (customer, "@me")]
    assert created.numbers == [1, 3]
    again = create_bulk(customer=customer, text=text, request_key=key, seal=quoted(customer, text).seal)
    assert (again.key, again.numbers) == (created.key, [1, 3])


# -- at once -----------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_request_when_sent_by_many_tabs_at_once_then_created_once(service):
    rich = make.customer("rich@example.org", funds="100")
    text, key = "\n".join(f"{service.pk} | https://example.com/{n} | 100" for n in range(20)), uuid4().hex
    seal = quoted(rich, text).seal
    results = at_once(6, lambda _: create_bulk(customer=rich, text=text, request_key=key, seal=seal))
    assert [(created.orders, created.charge) for created in results] == [(20, 5_000_000)] * 6
    assert Order.objects.count() == 20
    assert find_breaches() == []


@pytest.mark.django_db(transaction=True)
def test_request_when_the_keys_differ_then_each_creates_orders(service):
    """Without the shared key, the same clicks order everything again."""
    rich = make.customer("rich@example.org", funds="100")
    text = f"{service.pk} | {LINK} | 100\n{service.pk} | @me | 100"
    seal = quoted(rich, text).seal
    at_once(4, lambda _: create_bulk(customer=rich, text=text, request_key=uuid4().hex, seal=seal))
    assert Order.objects.count() == 8
    assert find_breaches() == []


@pytest.mark.django_db(transaction=True)
def test_balance_for_two_when_six_requests_race_then_two_succeed(service):
    alice = make.customer("rich@example.org", funds="1.20")
    text = f"{service.pk} | {LINK} | 100\n{service.pk} | @me | 100"
    seal = quoted(alice, text).seal
    results = at_once(6, lambda _: create_bulk(customer=alice, text=text, request_key=uuid4().hex, seal=seal))
    assert Counter(type(result) for result in results) == {CreatedBulk: 2, NotEnoughFunds: 4}
    assert (Order.objects.count(), make.wallet(alice).balance) == (4, 200_000)
    assert find_breaches() == []


@pytest.mark.django_db(transaction=True)
def test_orders_when_single_and_bulk_at_once_then_entries_add_up(service):
    rich = make.customer("rich@example.org", funds="100")
    text = "\n".join(f"{service.pk} | https://example.com/{n} | 100" for n in range(50))
    seal = quoted(rich, text).seal

    def work(number: int) -> Any:
        if number % 2:
            return [make.order(rich, service) for _ in range(5)]
        return create_bulk(customer=rich, text=text, request_key=uuid4().hex, seal=seal)

    assert [one for one in at_once(6, work) if isinstance(one, BaseException)] == []
    entries = Entry.objects.filter(wallet__customer=rich).order_by("seq")
    assert all(later.balance_after == earlier.balance_after + later.amount for earlier, later in pairwise(entries))
    assert Order.objects.count() == 165
    assert find_breaches() == []
