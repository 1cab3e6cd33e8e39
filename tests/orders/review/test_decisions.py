"""What staff can decide about an order in review, each choice at most once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

import orders.dispatch.submit
from catalog.models import Provider, Service, UpstreamService
from orders.common.transitions import OrderMoved
from orders.dispatch.claim_queries import Due
from orders.dispatch.submit import claim_next, submit_due_orders
from orders.dispatch.timeouts import meet_deadlines
from orders.marks.guard import may_send
from orders.models import Order, OrderEvent
from orders.requests.cancel import TooLate, may_withdraw, withdraw_order
from orders.review import decisions
from orders.review.decisions import ReviewError
from orders.states import ReviewReason, Status, Submission
from panel.sandbox.http import faults
from panel.sandbox.server import SandboxServer
from tests import make
from tests.make import reprice
from tests.scenes import (
    at_once,
    end_lease,
    fresh,
    money_of,
    nothing_changes,
    poll_now,
    refunds_of,
    submit_now,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


@pytest.fixture
def queued(customer: Any, service: Service) -> Order:
    """A queued order of 100 for $0.25."""
    return make.order(customer, service)


@pytest.fixture
def doubted(upstream: SandboxServer, queued: Order) -> Order:
    """An order in doubt: accepted, but the answer was lost."""
    upstream.inject(faults.drop_after("add"))
    submit_due_orders()
    return fresh(queued)


@pytest.fixture
def held(upstream: SandboxServer, queued: Order) -> Order:
    """An order in review: refused with an unknown message."""
    upstream.inject(faults.reply(body=b'{"error": "Not today"}', action="add"))
    submit_due_orders()
    return fresh(queued)


@pytest.fixture
def contradicted(upstream: SandboxServer, queued: Order) -> Order:
    """An accepted order with a contradiction: Partial, half remains, all charged."""
    submit_due_orders()
    upstream.set_order(upstream.orders()[0].id, status="Partial", remains=50, charge="0.2")
    poll_now()
    made = fresh(queued)
    assert made.review_reason == ReviewReason.CONTRADICTION
    return made


# -- bind --------------------------------------------------------------------------------------------


def test_bind_when_staff_found_it_then_polled(upstream, customer, doubted, staff):
    there = str(upstream.orders()[0].id)
    decisions.bind_upstream_id(order=doubted, upstream_id=f" {there} ", actor=staff)
    bound = fresh(doubted)
    assert (bound.submission, bound.upstream_id, bound.review_reason) == (Submission.ACCEPTED, there, "")
    assert OrderEvent.objects.filter(order=doubted, actor=staff, new=Submission.ACCEPTED, is_public=False).count() == 1
    upstream.set_order(int(there), status="Canceled", remains=100, charge="0")
    poll_now()
    assert refunds_of(doubted) == [250_000]
    assert len(upstream.orders()) == 1


@pytest.mark.parametrize("upstream_id", ["", " ", "1,2", "12 34", "0", "null", "x" * 65, "1\n2", "заказ", "1\x00"])
def test_bind_when_the_id_is_malformed_then_refused(doubted, staff, upstream_id):
    with nothing_changes(), pytest.raises(ReviewError):
        decisions.bind_upstream_id(order=doubted, upstream_id=upstream_id, actor=staff)


def test_bind_when_another_order_has_the_id_then_refused(upstream, customer, service, staff):
    first, second = make.order(customer, service), make.order(customer, service)
    submit_now()
    Order.objects.filter(pk=second.pk).update(
        submission=Submission.IN_DOUBT, upstream_id=None, next_poll_at=None, doubt_until=timezone.now()
    )
    meet_deadlines()
    with nothing_changes(), pytest.raises(ReviewError, match="already bound"):
        decisions.bind_upstream_id(order=fresh(second), upstream_id=str(fresh(first).upstream_id), actor=staff)


def test_bind_when_the_order_is_not_in_doubt_then_refused(contradicted, staff):
    with nothing_changes(), pytest.raises(ReviewError):
        decisions.bind_upstream_id(order=contradicted, upstream_id="77", actor=staff)


# -- send again, refund ------------------------------------------------------------------------------


@pytest.mark.parametrize("fixture", ["doubted", "held"])
def test_send_again_when_staff_are_sure_then_sent_once_more(upstream, customer, request, fixture, staff):
    order = request.getfixturevalue(fixture)
    before = len(upstream.orders())
    decisions.send_again(order=order, actor=staff)
    assert (fresh(order).submission, fresh(order).review_reason) == (Submission.QUEUED, "")
    for _ in range(3):
        submit_now()
    assert fresh(order).submission == Submission.ACCEPTED
    assert len(upstream.orders()) == before + 1
    assert money_of(customer)[0] == 9_750_000


@pytest.mark.parametrize("fixture", ["doubted", "held"])
def test_refund_when_staff_give_up_then_refunded_in_full_once(customer, request, fixture, staff):
    order = request.getfixturevalue(fixture)
    decisions.refund_unaccepted(order=order, note="We could not place it", actor=staff)
    refused = fresh(order)
    assert (refused.submission, refused.status, refused.refunded) == (Submission.REFUSED, Status.CANCELED, 250_000)
    assert (refused.status_note, refused.review_reason) == ("We could not place it", "")
    assert money_of(customer)[0] == 10_000_000
    for again in (order, fresh(order)):
        with nothing_changes(), pytest.raises((OrderMoved, ReviewError)):
            decisions.refund_unaccepted(order=again, note="Again", actor=staff)
    assert submit_now() == 0


@pytest.mark.parametrize("choice", ["send_again", "refund_unaccepted"])
def test_choice_when_the_order_is_only_queued_then_refused(queued, staff, choice):
    values = {"note": "x"} if choice == "refund_unaccepted" else {}
    with nothing_changes(), pytest.raises(ReviewError):
        getattr(decisions, choice)(order=queued, actor=staff, **values)


@pytest.mark.parametrize("choice", ["send_again", "refund_unaccepted"])
def test_choice_when_a_worker_submits_then_refused(provider, queued, staff, choice):
    claim_next(provider_id=provider.pk)
    values = {"note": "x"} if choice == "refund_unaccepted" else {}
    with nothing_changes(), pytest.raises(ReviewError):
        getattr(decisions, choice)(order=fresh(queued), actor=staff, **values)


# -- partial refunds ---------------------------------------------------------------------------------


def test_partial_refund_when_given_then_deducted_from_later_ones(upstream, customer, contradicted, staff):
    decisions.refund_part(order=contradicted, amount=100_000, note="Half of it", actor=staff)
    given = fresh(contradicted)
    assert (given.refunded, given.review_reason, refunds_of(given)) == (100_000, "", [100_000])
    # The provider corrects itself: 50 of 100 are $0.125, of which $0.10 are refunded already.
    upstream.set_order(int(given.upstream_id), status="Partial", remains=50, charge="0.1")
    poll_now()
    assert refunds_of(given) == [100_000, 25_000]


@pytest.mark.parametrize("amount", [0, -1, -250_000, 250_001, 10**15])
def test_partial_refund_when_it_exceeds_the_charge_then_refused(contradicted, staff, amount):
    with nothing_changes(), pytest.raises(ReviewError):
        decisions.refund_part(order=contradicted, amount=amount, note="x", actor=staff)


@pytest.mark.parametrize("fixture", ["queued", "doubted", "held"])
def test_partial_refund_when_the_order_is_not_accepted_then_refused(upstream, request, fixture, staff):
    """It would have closed the review of a queued order, which was then sent."""
    order = request.getfixturevalue(fixture)
    with nothing_changes(), pytest.raises(ReviewError):
        decisions.refund_part(order=order, amount=1, note="x", actor=staff)


def test_partial_refund_when_two_staff_give_it_then_posted_once(contradicted, staff):
    seen = [fresh(contradicted), fresh(contradicted)]
    decisions.refund_part(order=seen[0], amount=100_000, note="Half", actor=staff)
    with nothing_changes(), pytest.raises(OrderMoved):
        decisions.refund_part(order=seen[1], amount=100_000, note="Half", actor=staff)
    assert refunds_of(contradicted) == [100_000]


# -- nothing to do -----------------------------------------------------------------------------------


def test_dismiss_when_no_action_is_needed_then_only_review_ends(customer, contradicted, staff):
    decisions.dismiss_review(order=contradicted, note="The provider is right", actor=staff)
    done = fresh(contradicted)
    assert (done.review_reason, done.review_since, done.refunded, done.status) == ("", None, 0, Status.PARTIAL)
    assert money_of(customer)[0] == 9_750_000
    assert OrderEvent.objects.filter(order=done, actor=staff, is_public=False).count() == 1


def test_dismiss_when_the_provider_repeats_itself_then_no_new_review(upstream, contradicted, staff):
    decisions.dismiss_review(order=contradicted, note="The provider is right", actor=staff)
    poll_now()
    assert fresh(contradicted).review_reason == ""
    # Other numbers are another finding.
    upstream.set_order(upstream.orders()[0].id, status="Partial", remains=60, charge="0.2")
    poll_now()
    assert fresh(contradicted).review_reason == ReviewReason.CONTRADICTION


@pytest.mark.parametrize("fixture", ["doubted", "held"])
def test_dismiss_when_the_order_is_in_doubt_then_refused(request, fixture, staff):
    order = request.getfixturevalue(fixture)
    with nothing_changes(), pytest.raises(ReviewError):
        decisions.dismiss_review(order=order, note="x", actor=staff)


# -- each choice against concurrent changes ----------------------------------------------------------

CHOICES: dict[str, Callable[[Order, Any], None]] = {
    "bind": lambda order, staff: decisions.bind_upstream_id(order=order, upstream_id="777", actor=staff),
    "send again": lambda order, staff: decisions.send_again(order=order, actor=staff),
    "refund": lambda order, staff: decisions.refund_unaccepted(order=order, note="x", actor=staff),
}


def sent_and_lost_again(order: Order, staff: Any, upstream: SandboxServer) -> None:
    """In doubt as before, but because of a newer attempt."""
    decisions.send_again(order=fresh(order), actor=staff)
    upstream.inject(faults.drop_after("add"))
    submit_now()
    assert fresh(order).submission == Submission.IN_DOUBT


def deadline_passed(order: Order, staff: Any, upstream: SandboxServer) -> None:
    Order.objects.filter(pk=order.pk).update(doubt_until=timezone.now() - timedelta(seconds=1))
    meet_deadlines()
    assert fresh(order).review_reason == ReviewReason.DOUBT


MOVES: dict[str, Callable[[Order, Any, SandboxServer], None]] = {
    "bound": lambda order, staff, upstream: decisions.bind_upstream_id(
        order=fresh(order), upstream_id="555", actor=staff
    ),
    "sent again": lambda order, staff, upstream: decisions.send_again(order=fresh(order), actor=staff),
    "refunded": lambda order, staff, upstream: decisions.refund_unaccepted(order=fresh(order), note="x", actor=staff),
    "sent and lost again": sent_and_lost_again,
    "deadline passed": deadline_passed,
}


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES.keys())
@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES.keys())
def test_choice_when_the_order_moved_meanwhile_then_nothing_changes(upstream, doubted, staff, choice, move):
    """Two staff decide the same doubt differently: refunded and sent, or sent twice."""
    seen = fresh(doubted)
    move(doubted, staff, upstream)
    with nothing_changes(), pytest.raises(OrderMoved):
        choice(seen, staff)


def test_refund_when_other_staff_sent_it_again_then_nothing_changes(upstream, held, staff):
    seen = fresh(held)
    decisions.send_again(order=fresh(held), actor=staff)
    with nothing_changes(), pytest.raises(OrderMoved):
        decisions.refund_unaccepted(order=seen, note="x", actor=staff)


@pytest.mark.parametrize("choice", ["dismiss", "give back"])
def test_choice_when_the_review_changed_then_nothing_changes(upstream, contradicted, staff, choice):
    seen = fresh(contradicted)
    decisions.dismiss_review(order=fresh(contradicted), note="fine", actor=staff)
    decisions.ask_for_review(order=contradicted, reason=ReviewReason.LOST_UPSTREAM, note="gone")
    with nothing_changes(), pytest.raises(OrderMoved):
        if choice == "dismiss":
            decisions.dismiss_review(order=seen, note="fine", actor=staff)
        else:
            decisions.refund_part(order=seen, amount=1, note="x", actor=staff)


def test_partial_refund_when_poll_refunded_first_then_unchanged(upstream, contradicted, staff):
    seen = fresh(contradicted)
    upstream.set_order(int(seen.upstream_id), status="Partial", remains=50, charge="0.1")
    poll_now()
    assert refunds_of(seen) == [125_000]
    with nothing_changes(), pytest.raises(OrderMoved):
        decisions.refund_part(order=seen, amount=200_000, note="x", actor=staff)


@pytest.mark.django_db(transaction=True)
def test_choices_when_made_at_once_then_one_succeeds(upstream, customer, service, staff):
    order = make.order(customer, service)
    upstream.inject(faults.drop_after("add"))
    submit_due_orders()
    seen = fresh(order)
    choices = list(CHOICES.values()) * 2

    def choose(number: int) -> str:
        try:
            choices[number](seen, staff)
        except OrderMoved:
            return "moved"
        return "done"

    assert sorted(at_once(6, choose)) == ["done"] + ["moved"] * 5
    assert len(refunds_of(order)) == (1 if fresh(order).submission == Submission.REFUSED else 0)


# -- cancels before submission -----------------------------------------------------------------------


def test_cancel_when_not_sent_then_refunded_in_full(upstream, customer, queued):
    withdraw_order(order=queued, actor=customer)
    gone = fresh(queued)
    assert (gone.submission, gone.status, gone.refunded) == (Submission.WITHDRAWN, Status.CANCELED, 250_000)
    assert money_of(customer)[0] == 10_000_000
    for again in (queued, gone):
        with nothing_changes(), pytest.raises(TooLate):
            withdraw_order(order=again, actor=customer)
    assert (submit_now(), upstream.requests) == (0, [])


def test_cancel_when_claimed_by_a_worker_then_too_late(provider, customer, queued):
    seen = fresh(queued)
    assert claim_next(provider_id=provider.pk) is not None
    with nothing_changes(), pytest.raises(TooLate):
        withdraw_order(order=seen, actor=customer)


def test_claim_when_the_customer_canceled_meanwhile_then_none(upstream, provider, customer, queued, monkeypatch):
    """Refunded in full and delivered all the same."""
    find = orders.dispatch.submit.next_due

    def cancelled_in_between(of: Provider) -> Due | None:
        due = find(of)
        if due is not None:
            withdraw_order(order=fresh(due.order), actor=customer)
        return due

    monkeypatch.setattr(orders.dispatch.submit, "next_due", cancelled_in_between)
    assert claim_next(provider_id=provider.pk) is None
    monkeypatch.undo()
    assert (submit_now(), upstream.requests) == (0, [])
    assert (fresh(queued).submission, queued.submission_attempts.count()) == (Submission.WITHDRAWN, 0)
    assert refunds_of(queued) == [250_000]


@pytest.mark.parametrize("fixture", ["doubted", "held", "contradicted"])
def test_cancel_when_maybe_accepted_then_too_late(customer, request, fixture):
    """A cancel while in doubt would refund an order that runs; an unknown refusal does not rule that out."""
    order = request.getfixturevalue(fixture)
    assert not may_withdraw(order)
    with nothing_changes(), pytest.raises(TooLate):
        withdraw_order(order=order, actor=customer)


def test_cancel_when_the_refusal_is_not_understood_then_too_late(upstream, customer, queued):
    seen = fresh(queued)
    upstream.inject(faults.reply(body=b'{"error": "Not today"}', action="add"))
    submit_due_orders()
    with nothing_changes(), pytest.raises(TooLate):
        withdraw_order(order=seen, actor=customer)


def test_cancel_when_in_review_for_a_loss_then_refunded_in_full(upstream, customer, service, queued):
    UpstreamService.objects.filter(pk=service.upstream_id).update(rate=make.micros("9"))
    reprice(services=Service.objects.filter(pk=service.pk))
    assert submit_now() == 0
    assert fresh(queued).review_reason == ReviewReason.WOULD_LOSE
    withdraw_order(order=fresh(queued), actor=customer)
    assert refunds_of(queued) == [250_000]


@pytest.mark.django_db(transaction=True)
def test_cancel_when_raced_with_the_claim_then_exactly_one_wins(upstream, customer, service):
    provider = service.upstream.provider
    Provider.objects.update(max_parallel_adds=20)
    assert may_send()
    for _ in range(5):
        order = make.order(customer, service)

        def work(number: int, order: Order = order) -> str:
            if number % 2:
                return "claimed" if claim_next(provider_id=provider.pk) else "none"
            try:
                withdraw_order(order=order, actor=customer)
            except TooLate:
                return "too late"
            return "withdrawn"

        results = at_once(4, work)
        assert results.count("claimed") + results.count("withdrawn") == 1, results
        expected = Submission.WITHDRAWN if "withdrawn" in results else Submission.SUBMITTING
        assert fresh(order).submission == expected
        assert len(refunds_of(order)) == results.count("withdrawn")
        if expected == Submission.SUBMITTING:
            end_lease(order)
            meet_deadlines()


@pytest.mark.django_db(transaction=True)
def test_cancel_when_clicked_many_times_then_refunded_once(customer, service):
    order = make.order(customer, service)

    def work(number: int) -> str:
        try:
            withdraw_order(order=fresh(order), actor=customer)
        except TooLate:
            return "too late"
        return "withdrawn"

    assert sorted(at_once(6, work)) == ["too late"] * 5 + ["withdrawn"]
    assert (refunds_of(order), make.wallet(customer).balance) == ([250_000], 10_000_000)


def test_review_when_opened_twice_then_the_first_reason_stays(queued):
    for reason in (ReviewReason.DOUBT, ReviewReason.CONTRADICTION):
        with transaction.atomic():
            decisions.ask_for_review(order=queued, reason=reason, note="n")
    assert fresh(queued).review_reason == ReviewReason.DOUBT
    assert OrderEvent.objects.filter(order=queued, kind="review").count() == 1
