"""Recording answers to `add`: ids that another order has."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from orders.common.stops import open_stops, resume_sending
from orders.dispatch.submit import submit_due_orders
from orders.models import Order, OrderPoll
from orders.review.decisions import dismiss_review
from orders.states import ReviewReason, StopReason, Submission
from panel.alerts.models import Alert
from panel.sandbox.http import faults
from tests import make
from tests.scenes import count_adds, create_accepted, fresh, make_all_due, poll_now, refunds_of, set_and_poll

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


@pytest.fixture
def known(upstream: Any, customer: Any, service: Any) -> Order:
    """An accepted order, whose id the provider gives to every order from now on."""
    [order] = create_accepted(customer, service)
    body = b'{"order": %s}' % str(order.upstream_id).encode()
    upstream.inject(faults.reply(body=body, action="add", times=None))
    return order


def submit_all() -> int:
    make_all_due()
    return submit_due_orders()


def test_id_when_another_purchase_has_it_then_sending_stops(upstream, known, provider, other, service):
    """A provider that answered each order with a known id was sent twelve in one round."""
    before = count_adds(upstream)
    made = [make.order(other, service, link=f"https://example.com/{number}") for number in range(12)]
    assert submit_all() == 1
    assert submit_all() == 0
    assert count_adds(upstream) == before + 1
    first = fresh(made[0])
    assert (first.submission, first.review_reason) == (Submission.IN_DOUBT, ReviewReason.DUPLICATE_ID)
    assert {fresh(one).submission for one in made[1:]} == {Submission.QUEUED}
    assert fresh(known).review_reason == ReviewReason.DUPLICATE_ID
    stop = open_stops().get()
    assert (stop.provider, stop.reason) == (provider, StopReason.REUSED_IDS)
    assert f"order {known.pk}" in Alert.objects.get(cause__endswith=":sending").text


def test_known_order_when_its_id_is_doubted_then_no_answer_counts(upstream, known, other, service, staff):
    """Running orders were ended and refunded by the fate of new ones."""
    make.order(other, service, quantity=200)
    submit_all()
    stored = set_and_poll(upstream, known, status="Canceled", remains=100, charge="0")
    assert (stored.status, stored.review_reason, refunds_of(known)) == ("pending", ReviewReason.DUPLICATE_ID, [])
    assert (stored.remains, stored.upstream_charge) == (known.remains, known.upstream_charge)
    dismiss_review(order=stored, note="The id is this order's", actor=staff)
    poll_now()
    assert (fresh(known).status, refunds_of(known)) == ("canceled", [250_000])


@pytest.mark.parametrize("changes", [{"quantity": 101}, {"link": "https://example.com/b"}, {}])
def test_id_when_the_same_purchase_has_it_then_only_new_is_held(upstream, known, other, service, changes):
    """Some providers answer a repetition with the first order's id."""
    order = make.order(other, service, **changes)
    submit_all()
    assert fresh(order).review_reason == ReviewReason.DUPLICATE_ID
    is_doubted = bool(changes)
    assert (fresh(known).review_reason == ReviewReason.DUPLICATE_ID) is is_doubted
    assert open_stops().exists() is is_doubted


def test_id_when_another_service_has_it_then_both_are_held(upstream, known, other, provider):
    upstream.set_service(2, rate="2", min=10, max=10_000, type="Default")
    make.order(other, make.service(provider, external_id="2"))
    submit_all()
    assert fresh(known).review_reason == ReviewReason.DUPLICATE_ID


def test_id_when_its_order_ended_long_ago_then_the_same_rule(upstream, known, other, service):
    set_and_poll(upstream, known, status="Completed", remains=0, charge="0.2")
    OrderPoll.objects.filter(pk=known.pk).delete()
    Order.objects.filter(pk=known.pk).update(finished_at=timezone.now() - timedelta(days=90))
    make.order(other, service, quantity=200)
    submit_all()
    assert fresh(known).review_reason == ReviewReason.DUPLICATE_ID
    assert open_stops().exists()


def test_known_order_when_in_another_review_then_that_gives_way(upstream, known, other, service):
    """The other review closes by an answer, which must not be believed."""
    set_and_poll(upstream, known, status="Odd")
    OrderPoll.objects.update(unknown_since=timezone.now() - timedelta(days=2))
    assert set_and_poll(upstream, known, status="Odd").review_reason == ReviewReason.UNKNOWN_STATUS
    make.order(other, service, quantity=200)
    submit_all()
    stored = set_and_poll(upstream, known, status="Canceled", remains=100, charge="0")
    assert (stored.review_reason, refunds_of(known)) == (ReviewReason.DUPLICATE_ID, [])


def test_id_when_reused_again_after_a_decision_then_asked_again(upstream, known, other, service, staff):
    make.order(other, service, quantity=200)
    submit_all()
    dismiss_review(order=fresh(known), note="It is this order's", actor=staff)
    resume_sending(stop=open_stops().get(), actor=staff)
    make.order(other, service, quantity=300)
    assert submit_all() == 1
    assert fresh(known).review_reason == ReviewReason.DUPLICATE_ID
    assert open_stops().count() == 1
