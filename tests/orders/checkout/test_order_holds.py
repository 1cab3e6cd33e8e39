"""Orders of a customer whose payment was taken back: none is created or sent until the hold is released."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from billing.intake.crediting import credit_due_payments
from billing.intake.reversals import settle_reversal
from billing.ledger import post
from billing.models import OrderHold, Payment, Reversal, Wallet
from billing.order_holds import hold_orders, release_orders
from billing.wallets import wallet_of
from orders.checkout.bulk_orders import create_bulk
from orders.checkout.bulk_quotes import quote_bulk
from orders.checkout.create import OrdersHeld, create_order
from orders.checkout.drip_feeds import begin_due_runs
from orders.checkout.validation import OrderInput
from orders.dispatch.held_customers import queue_released, set_aside
from orders.dispatch.submit import submit_due_orders
from orders.dispatch.timeouts import end_held_orders, meet_deadlines
from orders.models import DripFeed, Order
from orders.requests.cancel import withdraw_order
from orders.states import Submission
from panel.lib.money import MICRO
from panel.ops.invariants import find_breaches
from tests import make
from tests.api_calls import call_api, new_key
from tests.scenes import at_once, fresh, kill_at_each_statement

pytestmark = pytest.mark.django_db


@pytest.fixture
def bob(db):
    return make.customer("bob@example.org", funds="100")


def reversal_of(user: Any) -> Reversal:
    """Return a reversal of a payment that was credited to the customer, and corrected by staff."""
    deposit = make.pending_deposit(user, "20")
    values = {"deposit": deposit, "currency": "USD", "came_in": 20 * MICRO, "due_at": timezone.now()}
    payment = Payment.objects.create(method=deposit.method, external_id=uuid4().hex, **values)
    credit_due_payments()
    post(wallet_id=wallet_of(customer=user).pk, amount=-20 * MICRO, kind="adjustment", key=payment.external_id)
    return Reversal.objects.create(payment=payment, amount=20 * MICRO)


def hold(user: Any) -> Reversal:
    reversal = reversal_of(user)
    hold_orders(reversal=reversal, customer_id=user.pk)
    return reversal


def order(user: Any, service: Any, key: str = "k") -> Any:
    order_input = OrderInput(service.pk, "https://example.com/a", 100, {})
    return create_order(customer=user, order_input=order_input, request_key=key, seen_charge=None)


def hold_of(user: Any) -> Any:
    return Wallet.objects.get(customer=user).order_hold


def submissions(*orders: Order) -> list[str]:
    return [fresh(one).submission for one in orders]


# -- new orders ----------------------------------------------------------------------------------------------


def test_order_when_held_then_refused_in_words_and_nothing_charged(signed_in, customer, service):
    hold(customer)
    form = {"service": service.pk, "link": "https://example.com/a", "quantity": "100", "request_key": uuid4().hex}
    shown = signed_in.post(reverse("order_new"), {**form, "seen_charge": 250_000}).content.decode()
    assert "Your last payment was taken back by its provider" in shown
    assert (Order.objects.count(), make.wallet(customer).balance) == (0, 10 * MICRO)


def test_order_when_another_customer_is_held_then_created(customer, bob, service):
    hold(bob)
    assert order(customer, service).created


def test_order_when_created_before_the_hold_then_a_repetition_returns_it(customer, service):
    first = order(customer, service)
    hold(customer)
    assert order(customer, service).order == first.order


def test_api_when_held_then_an_error_that_clients_wait_after(customer, service):
    key = new_key(customer)
    hold(customer)
    answer = call_api(key, "add", service=service.pk, link="https://example.com/a", quantity=100)
    assert answer == {"error": "Not enough funds on balance: your last payment was taken back, write to us"}
    assert not Order.objects.exists()


def test_bulk_when_held_then_refused(customer, service):
    text = f"{service.pk} | https://example.com/a | 100"
    seal = quote_bulk(customer=customer, text=text).seal
    hold(customer)
    with pytest.raises(OrdersHeld):
        create_bulk(customer=customer, text=text, request_key="k", seal=seal)
    assert not Order.objects.exists()


def test_drip_feed_when_held_then_its_next_run_waits_for_the_release(customer, service):
    drip = make.drip(customer, service)
    reversal = hold(customer)
    DripFeed.objects.update(next_run_at=timezone.now() - timedelta(seconds=1))
    assert begin_due_runs() == 0
    release_orders(reversal_id=reversal.pk)
    assert (begin_due_runs(), drip.orders.count()) == (1, 2)


# -- orders in the queue -------------------------------------------------------------------------------------


def test_queue_when_held_then_only_others_are_sent_until_the_release(upstream, customer, bob, service):
    held = [make.order(customer, service, link=f"https://example.com/{number}") for number in range(3)]
    free = make.order(bob, service)
    reversal = hold(customer)
    for _ in range(2):
        submit_due_orders()
    assert submissions(free, *held) == ["placed", "queued", "queued", "queued"]
    release_orders(reversal_id=reversal.pk)
    submit_due_orders()
    assert submissions(*held) == ["placed"] * 3
    assert (len(upstream.orders()), hold_of(customer), find_breaches()) == (4, None, [])


def test_queue_when_held_then_a_claim_sets_all_aside_at_once(
    upstream, customer, service, django_assert_max_num_queries
):
    for number in range(30):
        make.order(customer, service, link=f"https://example.com/{number}")
    hold(customer)
    submit_due_orders()
    assert Order.objects.filter(turn__lt=0, next_action_at=None).count() == 30
    with django_assert_max_num_queries(20):
        submit_due_orders()


def test_queue_when_held_past_its_limit_then_neither_refunded_nor_after_it(upstream, customer, service):
    one = make.order(customer, service)
    reversal = hold(customer)
    submit_due_orders()
    Order.objects.update(queued_at=timezone.now() - timedelta(days=9))
    assert end_held_orders() == 0
    release_orders(reversal_id=reversal.pk)
    meet_deadlines()
    assert fresh(one).submission == Submission.QUEUED
    assert submit_due_orders() == 1


def test_queue_when_held_then_an_order_can_be_canceled_and_is_refunded(upstream, customer, service):
    one = make.order(customer, service)
    hold(customer)
    submit_due_orders()
    withdraw_order(order=fresh(one), actor=customer)
    assert make.wallet(customer).balance == 10 * MICRO


def test_release_when_killed_anywhere_then_the_next_round_sends_them(upstream, customer, service):
    scene: dict[str, Any] = {}

    def set_up() -> None:
        scene["order"] = make.order(customer, service)
        scene["reversal"] = hold(customer)
        submit_due_orders()

    def release() -> None:
        release_orders(reversal_id=scene["reversal"].pk)
        meet_deadlines()

    def check() -> None:
        release()
        submit_due_orders()
        assert (fresh(scene["order"]).submission, hold_of(customer)) == (Submission.ACCEPTED, None)
        set_up()

    set_up()
    assert kill_at_each_statement(release, check) > 10


# -- holds ---------------------------------------------------------------------------------------------------


def test_hold_when_two_reversals_then_released_with_the_last(customer):
    first, second = hold(customer), hold(customer)
    settle_reversal(reversal_id=first.pk, actor=make.owner(), note="Paid again.")
    assert hold_of(customer) == OrderHold.HELD
    assert release_orders(reversal_id=second.pk)
    assert hold_of(customer) == OrderHold.ENDING
    assert not release_orders(reversal_id=second.pk)


def test_hold_when_it_comes_while_one_is_ending_then_it_stays(upstream, customer, service):
    one = make.order(customer, service)
    release_orders(reversal_id=hold(customer).pk)
    hold(customer)
    submit_due_orders()
    assert (hold_of(customer), fresh(one).submission) == (OrderHold.HELD, Submission.QUEUED)


@pytest.mark.django_db(transaction=True)
def test_hold_when_raced_by_orders_then_each_is_before_or_after_it(customer, service):
    """An order that sees no hold has committed before the hold; all others are refused."""
    reversal = reversal_of(customer)
    seen: list[int] = []

    def act(number: int) -> Any:
        if number:
            return order(customer, service, key=f"key {number}")
        with transaction.atomic():
            hold_orders(reversal=reversal, customer_id=customer.pk)
            seen.append(Order.objects.count())
        return None

    results = at_once(8, act)
    created = [one for one in results[1:] if not isinstance(one, BaseException)]
    assert all(isinstance(one, OrdersHeld) for one in results[1:] if isinstance(one, BaseException))
    assert [len(created)] == seen == [Order.objects.count()]
    assert find_breaches() == []


def test_release_when_a_claim_set_orders_aside_after_it_then_they_queue_too(bob, service, upstream):
    """The claim had read the hold, and committed after the round that queued the others again."""
    placed, held = make.order(bob, service), hold(bob)
    settle_reversal(reversal_id=held.pk, actor=make.owner(), note="talked to them")
    queue_released()
    assert hold_of(bob) is None
    with transaction.atomic():
        assert set_aside(customer_id=bob.pk) == 1
    queue_released()
    submit_due_orders()
    assert fresh(placed).submission == Submission.ACCEPTED
