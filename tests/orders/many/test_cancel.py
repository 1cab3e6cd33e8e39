"""Canceling many orders at once, by staff: the action, and its page."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

import orders.requests.cancel
from catalog.models import Provider, UpstreamService
from orders.common import bulk_results
from orders.common.bulk_results import NOT_REACHED, TooMany
from orders.dispatch.submit import claim_next
from orders.many.actions import MAX_ORDERS, StaffReason, carry_out, plan_for
from orders.many.cancel import CANCEL
from orders.models import CancelRequest, Order
from orders.requests.cancel import request_cancel
from orders.states import CancelState, ReviewReason, Submission
from panel.sandbox.server import SandboxServer
from tests import make
from tests.admin_calls import WHY
from tests.orders.requests.test_cancel import accepted, cancel_page, public_texts
from tests.scenes import (
    at_once,
    create_in_doubt,
    end_lease,
    fresh,
    nothing_changes,
    poll_now,
    refunds_of,
    submit_now,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


@pytest.fixture
def mix(upstream: SandboxServer, provider: Any, customer: Any, service: Any) -> dict[str, Order]:
    """One order of every kind, three of them queued."""
    make.deposit(customer, "10")
    doubt = create_in_doubt(upstream, customer, service, quantity=77)
    Provider.objects.update(paused_until=None)
    running, asked, done = accepted(customer, service, 3)
    request_cancel(order=asked, actor=customer)
    upstream.set_order(int(done.upstream_id), status="Completed")
    poll_now()
    being_sent = make.order(customer, service)
    assert claim_next(provider_id=provider.pk)
    queued = [make.order(customer, service) for _ in range(4)]
    Order.objects.filter(pk=queued[3].pk).update(review_reason=ReviewReason.UNKNOWN_ERROR, review_since=timezone.now())
    UpstreamService.objects.update(cancel=False)
    return {
        "doubt": doubt,
        "running": running,
        "asked": asked,
        "done": done,
        "being sent": being_sent,
        "queued 1": queued[0],
        "queued 2": queued[1],
        "queued 3": queued[2],
        "in review": queued[3],
    }


MIXED = {
    StaffReason.ENDED: 1,
    StaffReason.ASKED: 1,
    StaffReason.SUBMITTING: 1,
    StaffReason.IN_DOUBT: 1,
    StaffReason.IN_REVIEW: 1,
}


def all_of(mix: dict[str, Order]) -> list[Order]:
    return list(Order.objects.filter(pk__in=[one.pk for one in mix.values()]))


def test_bulk_when_orders_are_mixed_then_queued_ones_are_refunded(customer, staff, mix):
    """Other panels changed the status in a bulk cancel, but never refunded."""
    before = make.wallet(customer).balance
    with nothing_changes():
        plan = plan_for(CANCEL, orders=all_of(mix), actor=None)
    result = carry_out(CANCEL, orders=all_of(mix), actor=staff)
    assert plan.left == result.left == MIXED
    assert (plan.withdrawn, plan.asked) == (result.withdrawn, result.asked) == (3, 1)
    assert plan.refunded == result.refunded == 750_000
    assert make.wallet(customer).balance == before + 750_000
    for name in ("queued 1", "queued 2", "queued 3"):
        assert (fresh(mix[name]).submission, refunds_of(mix[name])) == (Submission.WITHDRAWN, [250_000])
    for name in set(mix) - {"queued 1", "queued 2", "queued 3"}:
        assert refunds_of(mix[name]) == []
    asked = CancelRequest.objects.get(order=mix["running"])
    assert (asked.state, asked.actor) == (CancelState.WAITING, staff)
    assert public_texts(mix["running"]) == ["Our team asked to cancel it"]


def test_bulk_when_repeated_then_nothing_changes(staff, mix):
    carry_out(CANCEL, orders=all_of(mix), actor=staff)
    with nothing_changes():
        again = carry_out(CANCEL, orders=all_of(mix), actor=staff)
    assert (again.withdrawn, again.asked, again.refunded) == (0, 0, 0)
    assert (again.left[StaffReason.ENDED], again.left[StaffReason.ASKED]) == (4, 2)


@pytest.mark.django_db(transaction=True)
def test_bulk_when_two_run_at_once_then_each_order_is_refunded_once(customer, service, staff):
    made = [make.order(customer, service) for _ in range(10)]
    results = at_once(2, lambda number: carry_out(CANCEL, orders=made, actor=staff))
    assert sum(one.withdrawn for one in results) == 10
    assert sum(one.refunded for one in results) == 2_500_000
    assert make.wallet(customer).balance == 10_000_000
    assert [refunds_of(one) for one in made] == [[250_000]] * 10


def test_bulk_when_one_fails_then_the_others_are_canceled(customer, service, staff, monkeypatch):
    made = [make.order(customer, service) for _ in range(5)]
    withdraw = orders.requests.cancel.withdraw_order

    def break_on_the_second(**values: Any) -> None:
        if values["order"].pk == made[1].pk:
            raise RuntimeError("out of memory")
        withdraw(**values)

    monkeypatch.setattr(orders.requests.cancel, "withdraw_order", break_on_the_second)
    result = carry_out(CANCEL, orders=made, actor=staff)
    assert (result.withdrawn, result.failed, result.refunded) == (4, [made[1].pk], 1_000_000)
    assert [fresh(one).submission for one in made] == ["withdrawn", "queued", "withdrawn", "withdrawn", "withdrawn"]


def test_bulk_when_an_order_is_claimed_meanwhile_then_skipped(customer, provider, service, staff, monkeypatch):
    order = make.order(customer, service)
    withdraw = orders.requests.cancel.withdraw_order

    def claimed_before(**values: Any) -> None:
        assert claim_next(provider_id=provider.pk)
        withdraw(**values)

    monkeypatch.setattr(orders.requests.cancel, "withdraw_order", claimed_before)
    result = carry_out(CANCEL, orders=[order], actor=staff)
    assert (result.left, refunds_of(order)) == ({StaffReason.CHANGED: 1}, [])
    end_lease(order)
    submit_now()


def test_bulk_when_time_runs_out_then_the_rest_is_reported(customer, service, staff, monkeypatch):
    """A page that takes longer than the server allows would be cut off without a message."""
    made = [make.order(customer, service) for _ in range(4)]
    withdraw = orders.requests.cancel.withdraw_order

    def slowly(**values: Any) -> None:
        withdraw(**values)
        if values["order"].pk == made[1].pk:
            monkeypatch.setattr(bulk_results.time, "monotonic", lambda: float("inf"))

    with monkeypatch.context() as patch:
        patch.setattr(bulk_results, "time", SimpleNamespace(monotonic=time.monotonic))
        patch.setattr(orders.requests.cancel, "withdraw_order", slowly)
        result = carry_out(CANCEL, orders=made, actor=staff)
    assert (result.withdrawn, result.left) == (2, {NOT_REACHED: 2})
    assert [fresh(one).submission for one in made] == ["withdrawn", "withdrawn", "queued", "queued"]


def test_bulk_when_there_are_too_many_then_none_is_canceled(customer, service, staff):
    order = make.order(customer, service)
    with nothing_changes(), pytest.raises(TooMany):
        carry_out(CANCEL, orders=[order] * (MAX_ORDERS + 1), actor=staff)


# -- the pages of staff ------------------------------------------------------------------------------

LIST = "/admin/orders/order/"


def select(client: Any, chosen: list[Order]) -> Any:
    return client.post(LIST, {"action": "cancel_many", "_selected_action": [one.pk for one in chosen]})


def test_bulk_page_when_opened_then_nothing_changes(staff_client, mix):
    with nothing_changes():
        page = select(staff_client, all_of(mix)).content.decode()
    assert "0.75" in page
    assert "not sent yet" in page
    for fate in (
        StaffReason.ENDED,
        StaffReason.ASKED,
        StaffReason.SUBMITTING,
        StaffReason.IN_DOUBT,
        StaffReason.IN_REVIEW,
    ):
        assert fate.value in page


def test_bulk_page_when_confirmed_twice_then_done_once_with_numbers(staff_client, customer, mix):
    before = make.wallet(customer).balance
    chosen = select(staff_client, all_of(mix)).context["selection"]
    form = {"orders": chosen, **WHY}
    said = [
        [str(one) for one in staff_client.post(f"{LIST}cancel/", form, follow=True).context["messages"]]
        for _ in range(2)
    ]
    assert "3 canceled and $0.75 refunded; providers asked to cancel 1 more" in said[0][0]
    assert "Nothing was changed; 3 left alone: changed since you looked, and now ended already (" in said[1][0]
    assert "1 left alone: changed since you looked, and now asked of the provider already (" in said[1][0]
    assert make.wallet(customer).balance == before + 750_000


@pytest.mark.parametrize(
    "orders", ["", "1;2", "1:12345678,x", "-1", ",".join(f"{one}:12345678" for one in range(1, MAX_ORDERS + 3))]
)
def test_bulk_page_when_selection_malformed_then_nothing_changes(staff_client, customer, service, orders):
    make.order(customer, service)
    with nothing_changes():
        response = staff_client.post(f"{LIST}cancel/", {"orders": orders}, follow=True)
    assert "Nothing was changed" in response.content.decode()


def test_bulk_page_when_over_a_thousand_are_selected_then_refused(staff_client, customer, service, monkeypatch):
    monkeypatch.setattr("orders.many.actions.MAX_ORDERS", 2)
    made = [make.order(customer, service) for _ in range(3)]
    with nothing_changes():
        response = staff_client.post(
            LIST, {"action": "cancel_many", "_selected_action": [made[0].pk], "select_across": "1"}, follow=True
        )
    assert "At most 2 orders" in response.content.decode()


def test_bulk_page_when_not_permitted_then_nothing_changes(client, customer, service):
    order = make.order(customer, service)
    looker = make.customer("looker@example.org")
    looker.is_staff = True
    looker.save()
    looker.user_permissions.add(Permission.objects.get(codename="view_order"))
    for user in (customer, looker):
        client.force_login(user)
        with nothing_changes():
            assert client.post(f"{LIST}cancel/", {"orders": f"{order.pk}:12345678", **WHY}).status_code in (302, 403)
            select(client, [order])
            client.post(cancel_page(order))
        assert b"cancel_many" not in client.get(LIST).content


def test_bulk_page_when_fetched_by_get_then_nothing_changes(staff_client, customer, service):
    order = make.order(customer, service)
    with nothing_changes():
        assert staff_client.get(f"{LIST}cancel/", {"orders": f"{order.pk}:12345678", **WHY}).status_code == 405
