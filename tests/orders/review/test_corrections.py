"""Corrections by staff: only of what was never sent, by the rules of the form, never against a sender."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from catalog.models import Provider, Service
from orders.common.transitions import OrderMoved
from orders.dispatch import submit
from orders.dispatch.submit import claim_next, submit_for_provider
from orders.marks.guard import may_send
from orders.models import Order, PlacementAttempt
from orders.review.corrections import ContentRefused, correct_content, correct_start_count
from orders.review.decisions import ReviewError
from orders.states import AttemptOutcome, ReviewReason, Status, Submission
from panel.activity.models import ActivityDetail
from panel.lib.own_account import OwnAccount
from tests import make
from tests.admin_calls import action_address
from tests.scenes import nothing_changes
from tests.threads import in_background, wait_for_a_blocked_connection

pytestmark = pytest.mark.django_db

WRONG, RIGHT = "https://example.org/wrong", "https://example.org/right"


@pytest.fixture
def order(customer: Any, service: Any) -> Order:
    return make.order(customer, service, link=WRONG)


def comments_order(customer: Any, provider: Any, lines: str) -> Order:
    service = make.service(provider, external_id="2", type="custom_comments", low=1)
    return make.order(customer, service, link=WRONG, quantity=None, comments=lines)


def test_link_when_never_sent_then_the_provider_gets_the_right_one(upstream, provider, order, staff):
    paid = (order.quantity, order.charge, order.price)
    correct_content(order=order, link=f" {RIGHT}", params={}, actor=staff)
    submit_for_provider(provider=provider)
    order.refresh_from_db()
    assert (order.link, order.link_key, order.submission) == (RIGHT, "example.org/right", Submission.ACCEPTED)
    assert (order.quantity, order.charge, order.price) == paid
    assert ["link", RIGHT] in order.accepted_attempt.sent["fields"]
    [told] = order.events.filter(kind="staff")
    assert (told.is_public, told.actor, told.text) == (
        True,
        staff,
        f"Our team corrected the link from {WRONG} to {RIGHT}",
    )


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        ({"submission": Submission.SUBMITTING}, None),
        ({"submission": Submission.IN_DOUBT, "doubt_until": timezone.now()}, None),
        ({"submission": Submission.ACCEPTED, "upstream_id": "7"}, None),
        ({"review_reason": ReviewReason.UNKNOWN_ERROR}, None),
        ({"attempts": 1}, AttemptOutcome.UNKNOWN),
        ({"attempts": 1}, AttemptOutcome.AFTER_BACKUP),
    ],
)
def test_link_when_the_provider_may_have_it_then_refused(values, outcome, order, staff):
    Order.objects.filter(pk=order.pk).update(**values)
    if outcome:
        PlacementAttempt.objects.create(order=order, token="t", outcome=outcome)
    order.refresh_from_db()
    with nothing_changes(), pytest.raises(ReviewError, match="cannot be corrected"):
        correct_content(order=order, link=RIGHT, params={}, actor=staff)


def test_link_when_surely_not_sent_before_then_corrected(provider, order, staff):
    Provider.objects.filter(pk=provider.pk).update(request_id_parameter="link")
    submit_for_provider(provider=provider)
    assert order.submission_attempts.get().outcome == AttemptOutcome.NOT_SENT
    order.refresh_from_db()
    correct_content(order=order, link=RIGHT, params={}, actor=staff)
    assert Order.objects.get(pk=order.pk).link == RIGHT


def test_link_when_the_form_would_refuse_it_then_refused(order, staff):
    for link in ("", "no link at all", "https://example.org/a b"):
        with nothing_changes(), pytest.raises(ContentRefused):
            correct_content(order=order, link=link, params={}, actor=staff)


def test_comments_when_as_many_then_corrected_else_refused(customer, provider, staff):
    order = comments_order(customer, provider, "Nice\nGreat")
    with nothing_changes(), pytest.raises(ContentRefused, match="2 were paid for"):
        correct_content(order=order, link=WRONG, params={"comments": "one\ntwo\nthree"}, actor=staff)
    correct_content(order=order, link=WRONG, params={"comments": "one\n\ntwo", "other": "x"}, actor=staff)
    order.refresh_from_db()
    assert (order.params, order.quantity) == ({"comments": "one\ntwo"}, 2)


def test_link_when_a_sender_was_faster_then_it_stays_as_it_was_sent(provider, order, staff):
    assert may_send()
    assert claim_next(provider_id=provider.pk) is not None
    with nothing_changes(), pytest.raises(OrderMoved):
        correct_content(order=order, link=RIGHT, params={}, actor=staff)


@pytest.mark.django_db(transaction=True)
def test_link_when_a_sender_has_read_the_order_then_what_is_sent_is_stored(
    upstream, provider, order, staff, monkeypatch
):
    """The sender reads the order, the correction begins, the sender claims what it read."""
    waits: list[Any] = []
    claim = submit._claim

    def claim_late(*args: Any) -> Any:
        waits.append(in_background(lambda: correct_content(order=order, link=RIGHT, params={}, actor=staff)))
        if connection.vendor == "postgresql":
            wait_for_a_blocked_connection()
        return claim(*args)

    monkeypatch.setattr(submit, "_claim", claim_late)
    submit_for_provider(provider=provider)
    assert isinstance(waits[0](), OrderMoved)
    order.refresh_from_db()
    assert ["link", order.link] in order.accepted_attempt.sent["fields"]


def test_link_when_one_at_a_time_and_another_is_open_then_refused(customer, service, order, staff):
    Service.objects.filter(pk=service.pk).update(one_at_a_time=True)
    other = make.order(customer, service, link=RIGHT)
    order.refresh_from_db()
    with nothing_changes(), pytest.raises(ReviewError, match=f"Order {other.pk} for that link"):
        correct_content(order=order, link=RIGHT, params={}, actor=staff)


def test_corrections_when_of_their_own_order_then_refused(customer, order):
    with nothing_changes():
        with pytest.raises(OwnAccount):
            correct_content(order=order, link=RIGHT, params={}, actor=customer)
        with pytest.raises(OwnAccount):
            correct_start_count(order=order, start_count=1, note="x", actor=customer)


def test_content_page_when_posted_then_corrected_and_logged_with_old_and_new(staff_client, order):
    address = action_address("orders.order", order.pk, "correct")
    seen = staff_client.get(address).context["seen"]
    answer = staff_client.post(address, {"link": "no link at all", "seen": seen})
    assert "Copy it again" in answer.content.decode()
    assert staff_client.post(address, {"link": RIGHT, "seen": seen}).status_code == 302
    changes = {one["column"]: (one["before"], one["after"]) for one in ActivityDetail.objects.get().changes}
    assert changes["link"] == (WRONG, RIGHT)
    with nothing_changes():
        answer = staff_client.post(address, {"link": WRONG, "seen": seen})
    assert "It changed since you opened this page" in answer.content.decode()


def test_start_count_when_ended_then_corrected_for_staff_alone(staff_client, customer, service):
    order = make.accepted_order(customer, service)
    Order.objects.filter(pk=order.pk).update(status=Status.COMPLETED, finished_at=timezone.now(), start_count=7)
    address = action_address("orders.order", order.pk, "start_count")
    seen = staff_client.get(address).context["seen"]
    data = {"start_count": "1500", "note": "Seen on the archive", "seen": seen}
    assert staff_client.post(address, data).status_code == 302
    order.refresh_from_db()
    assert (order.start_count, order.start_corrected_at is None) == (1_500, False)
    [told] = order.events.filter(kind="staff")
    assert (told.old, told.new, told.is_public) == ("7", "1,500", False)
    page = staff_client.get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()
    assert "Seen on the archive" in page
