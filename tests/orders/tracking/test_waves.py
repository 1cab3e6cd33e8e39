"""Waves of cancels: when there is one, and that its refunds wait for a second answer and are paid once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from billing import ledger
from catalog.provider_accounts import client_for
from orders.dispatch.timeouts import watch_clock
from orders.models import CancelRequest, Order, OrderPoll
from orders.requests.cancel import request_cancel
from orders.review.manual_close import close_accepted
from orders.states import Status
from orders.tracking.apply import apply_answers
from orders.tracking.poll import poll_due_orders
from orders.tracking.waves import Held, is_wave, next_hold
from panel.alerts.models import Alert, RunningTime
from panel.alerts.running import trust_clock
from tests.scenes import at_once, create_accepted, fresh, poll_now, polls_of, refunds_of, statements

# -- the decisions -----------------------------------------------------------------------------------

NOON = datetime(2026, 1, 1, 12)
WAIT = timedelta(minutes=10)
END = ("canceled", 250_000)


@pytest.mark.parametrize(
    ("ends", "of", "expected"),
    [(10, 50, True), (9, 9, False), (10, 51, False), (11, 51, True), (10, 0, True), (0, 0, False), (200, 1_001, False)],
)
def test_wave_when_ends_counted_then_number_and_share_are_reached(ends, of, expected):
    assert is_wave(ends=ends, of=of, number=10, percent=20) is expected


@pytest.mark.parametrize(
    ("held", "in_wave", "minute", "expected"),
    [
        (None, False, 0, None),
        (None, True, 0, Held(*END, NOON)),
        (Held(*END, NOON), True, 9, Held(*END, NOON)),
        (Held(*END, NOON), False, 9, Held(*END, NOON)),
        (Held(*END, NOON), True, 10, None),
        (Held(*END, NOON), False, 10, None),
        # Another end begins anew, in a wave or not.
        (Held("partial", 250_000, NOON), False, 20, Held(*END, NOON + timedelta(minutes=20))),
        (Held("canceled", 100_000, NOON), True, 20, Held(*END, NOON + timedelta(minutes=20))),
    ],
)
def test_end_when_answered_then_it_is_held_until_confirmed(held, in_wave, minute, expected):
    now = NOON + timedelta(minutes=minute)
    assert next_hold(end=END, held=held, in_wave=in_wave, now=now, wait=WAIT) == expected


# -- what comes of it --------------------------------------------------------------------------------


@pytest.fixture
def small_wave(settings: Any) -> None:
    """Three orders make a wave."""
    settings.WAVE_ORDERS = 3


def in_scenes(test: Any) -> Any:
    for mark in (pytest.mark.usefixtures("small_wave", "invariants_hold"), pytest.mark.django_db):
        test = mark(test)
    return test


def cancel_there(upstream: Any, orders: list[Order], **values: Any) -> None:
    for one in orders:
        upstream.set_order(int(one.upstream_id or 0), **{"status": "Canceled", "remains": 100, "charge": "0", **values})


def pass_time(**values: float) -> None:
    """Let the held answers have come so much earlier, and make all polls due."""
    for poll in OrderPoll.objects.exclude(held_since=None):
        OrderPoll.objects.filter(pk=poll.pk).update(held_since=poll.held_since - timedelta(**values))


def park(orders: list[Order]) -> None:
    """Let these orders wait for an hour until their next poll."""
    OrderPoll.objects.filter(pk__in=[one.pk for one in orders]).update(due_at=timezone.now() + timedelta(hours=1))


def poll_only(orders: list[Order]) -> None:
    """Poll these orders alone, so that ended ones stay where their last poll left them."""
    OrderPoll.objects.filter(pk__in=[one.pk for one in orders]).update(due_at=timezone.now() - timedelta(seconds=1))
    poll_due_orders()


def statuses(orders: list[Order]) -> list[str]:
    return [fresh(one).status for one in orders]


def paid(orders: list[Order]) -> list[list[int]]:
    return [refunds_of(one) for one in orders]


NOTHING: list[list[int]] = [[], [], []]


@in_scenes
@pytest.mark.parametrize("row", [{}, {"status": "Partial"}, {"remains": None, "charge": None}])
def test_wave_when_it_begins_then_nothing_is_paid_at_first(upstream, customer, service, signed_in, row):
    """Twenty orders were refunded at the first word of a provider that took all of them back."""
    made = create_accepted(customer, service, 3)
    cancel_there(upstream, made, **row)
    poll_now()
    assert (statuses(made), paid(made)) == (["pending"] * 3, NOTHING)
    alert = Alert.objects.get(cause__endswith=":wave")
    assert (alert.level, "$0.75 for 3 orders" in alert.text) == ("danger", True)
    page = signed_in.get(f"/orders/{made[0].pk}/").content.decode()
    assert "We check that once more before we cancel and refund it" in page
    wait = fresh(made[0]).next_check_at - timezone.now()
    assert timedelta(minutes=9) < wait <= timedelta(minutes=10)


@in_scenes
def test_wave_when_the_second_answer_agrees_then_paid_once(upstream, customer, service, signed_in):
    made = create_accepted(customer, service, 3)
    cancel_there(upstream, made)
    poll_now()
    poll_now()
    assert paid(made) == NOTHING  # Asked again too early.
    pass_time(minutes=10)
    poll_now()
    assert (statuses(made), paid(made)) == (["canceled"] * 3, [[250_000]] * 3)
    poll_now()
    assert paid(made) == [[250_000]] * 3
    assert not OrderPoll.objects.exclude(held_since=None, held_status="", held_refund=None).exists()
    assert "We check that once more" not in signed_in.get(f"/orders/{made[0].pk}/").content.decode()


@in_scenes
def test_wave_when_the_clock_jumped_then_paid_once_it_is_trusted(upstream, customer, service, real_running):
    """The wait was over at once by a clock that was set ahead."""
    watch_clock()
    made = create_accepted(customer, service, 3)
    cancel_there(upstream, made)
    poll_now()
    RunningTime.objects.update(seen_at=timezone.now() - timedelta(hours=1))
    pass_time(minutes=61)
    poll_now()
    watch_clock()
    poll_now()
    assert paid(made) == NOTHING
    # Without asking the provider all the time.
    assert fresh(made[0]).next_check_at - timezone.now() > timedelta(minutes=9)
    trust_clock()
    poll_now()
    assert paid(made) == [[250_000]] * 3


@in_scenes
def test_wave_when_it_is_taken_back_then_nothing_was_paid(upstream, customer, service):
    made = create_accepted(customer, service, 3)
    cancel_there(upstream, made)
    poll_now()
    cancel_there(upstream, made, status="In progress", remains=80, charge="0.2")
    pass_time(minutes=10)
    poll_now()
    assert (statuses(made), paid(made)) == (["in_progress"] * 3, NOTHING)
    # A cancel after that is a first word again, and no wave if it comes alone.
    cancel_there(upstream, made[:1])
    poll_now()
    assert paid(made) == [[250_000], [], []]


@in_scenes
def test_wave_when_the_second_answer_differs_then_that_one_waits(upstream, customer, service):
    made = create_accepted(customer, service, 3)
    cancel_there(upstream, made)
    poll_now()
    cancel_there(upstream, made, remains=40, charge="0.12")
    pass_time(minutes=10)
    poll_now()
    assert paid(made) == NOTHING
    pass_time(minutes=10)
    poll_now()
    assert (statuses(made), paid(made)) == (["canceled"] * 3, [[100_000]] * 3)


@in_scenes
def test_wave_when_an_answer_is_missing_then_the_end_stays_held(upstream, customer, service):
    made = create_accepted(customer, service, 3)
    cancel_there(upstream, made)
    poll_now()
    upstream.set_order(int(made[0].upstream_id), omitted=True)
    pass_time(minutes=10)
    poll_now()
    assert paid(made) == [[], [250_000], [250_000]]
    assert fresh(made[0]).is_end_held
    upstream.set_order(int(made[0].upstream_id), omitted=False)
    poll_now()
    assert paid(made) == [[250_000]] * 3


@in_scenes
def test_wave_when_it_comes_in_small_batches_then_few_are_paid(upstream, customer, service):
    """Each batch counts what the ones before it paid and held."""
    made = create_accepted(customer, service, 6)
    park(made)
    for one in made:
        cancel_there(upstream, [one])
        poll_only([one])
    assert paid(made) == [[250_000]] * 2 + [[]] * 4


@in_scenes
def test_cancels_when_earlier_ones_are_long_ago_then_no_wave(upstream, customer, service):
    made = create_accepted(customer, service, 3)
    park(made)
    cancel_there(upstream, made)
    poll_only(made[:2])
    Order.objects.exclude(finished_at=None).update(finished_at=timezone.now() - timedelta(minutes=31))
    poll_only(made[:2])  # A later poll of an ended order is no end.
    poll_only(made[2:])
    assert paid(made) == [[250_000]] * 3


@in_scenes
def test_cancels_when_a_small_share_of_open_orders_then_no_wave(upstream, customer, service):
    made = create_accepted(customer, service, 16)
    cancel_there(upstream, made[:3])
    poll_now()
    assert paid(made[:3]) == [[250_000]] * 3


@in_scenes
def test_cancels_when_a_large_share_of_one_call_then_a_wave(upstream, customer, service):
    """Of 16 open orders 3 are no wave, of 3 answers they are."""
    made = create_accepted(customer, service, 16)
    park(made)
    cancel_there(upstream, made[:3])
    poll_only(made[:3])
    assert paid(made[:3]) == NOTHING


def accept_requests() -> None:
    """Let the provider accept all cancel requests now."""
    CancelRequest.objects.filter(state="waiting").update(state="accepted", asked_at=timezone.now())


@in_scenes
def test_cancels_when_somebody_asked_for_them_then_paid_at_once(upstream, customer, service, staff):
    made = create_accepted(customer, service, 4)
    park(made)
    request_cancel(order=made[0], actor=customer)
    request_cancel(order=made[1], actor=staff)
    accept_requests()
    cancel_there(upstream, made)
    poll_only(made)
    # Two that were asked for, and two more: no wave.
    assert paid(made) == [[250_000]] * 4


@in_scenes
def test_cancels_when_asked_for_ones_came_before_then_no_wave(upstream, customer, service, staff):
    made = create_accepted(customer, service, 4)
    park(made)
    request_cancel(order=made[0], actor=customer)
    accept_requests()
    cancel_there(upstream, made)
    poll_only(made[:1])
    close_accepted(order=fresh(made[1]), status="canceled", note="It is stuck", actor=staff)
    poll_only(made[2:])
    assert paid(made) == [[250_000]] * 4


@in_scenes
@pytest.mark.parametrize("is_accepted", [True, False])
def test_end_when_held_and_then_asked_for_then_still_held(upstream, customer, service, is_accepted):
    """Else a customer would be paid at the first word, by pressing Cancel."""
    made = create_accepted(customer, service, 3)
    cancel_there(upstream, made)
    poll_now()
    request_cancel(order=fresh(made[0]), actor=customer)
    if is_accepted:
        accept_requests()
    poll_now()
    assert paid(made) == [[], [], []]


@in_scenes
def test_cancels_when_the_provider_refused_them_then_held_as_others(upstream, customer, service):
    made = create_accepted(customer, service, 3)
    park(made)
    request_cancel(order=made[0], actor=customer)
    CancelRequest.objects.update(state="refused", asked_at=timezone.now())
    cancel_there(upstream, made)
    poll_only(made)
    assert paid(made) == [[], [], []]


@in_scenes
def test_end_when_held_and_staff_close_it_then_no_longer_held(upstream, customer, service, staff):
    made = create_accepted(customer, service, 3)
    cancel_there(upstream, made)
    poll_now()
    close_accepted(order=fresh(made[0]), status="completed", note="It was delivered", actor=staff)
    assert [fresh(one).is_end_held for one in made] == [False, True, True]


@in_scenes
def test_completed_orders_when_many_turn_canceled_then_held_too(upstream, customer, service):
    """They are polled for a week, and a provider that fails cancels them as well."""
    made = create_accepted(customer, service, 3)
    cancel_there(upstream, made, status="Completed", remains=0, charge="0.2")
    poll_now()
    cancel_there(upstream, made)
    poll_now()
    assert (statuses(made), paid(made)) == ([Status.COMPLETED] * 3, NOTHING)
    pass_time(minutes=10)
    poll_now()
    assert paid(made) == [[250_000]] * 3


@in_scenes
def test_wave_when_one_cannot_be_written_then_others_held_all_same(upstream, customer, service, monkeypatch):
    """Each is applied by itself then, and alone none of them is a wave."""
    made = create_accepted(customer, service, 4)
    cancel_there(upstream, made[:3])
    upstream.set_order(int(made[3].upstream_id), status="Partial", remains=50, charge="0.1")
    post_all = ledger.post_all

    def refuses(*, lines: Any) -> None:
        if any(line.order_ref == made[3].pk for line in lines):
            raise ledger.InvalidPosting("no")
        post_all(lines=lines)

    monkeypatch.setattr(ledger, "post_all", refuses)
    poll_now()
    assert paid(made) == [[]] * 4
    assert [fresh(one).is_end_held for one in made] == [True] * 3 + [False]


@in_scenes
def test_batch_when_one_order_is_canceled_then_two_more_statements(upstream, customer, service, settings):
    settings.WAVE_ORDERS = 10
    counts = []
    for remains in (99, 99, 100):
        [one] = create_accepted(customer, service)
        poll_now()
        park([one])
        upstream.set_order(int(one.upstream_id), status="Partial", remains=remains, charge=None)
        OrderPoll.objects.filter(pk=one.pk).update(due_at=timezone.now() - timedelta(seconds=1))
        with statements() as found:
            poll_due_orders()
        counts.append(len(found))
    assert counts[2] == counts[1] + 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("small_wave", "invariants_hold")
def test_pollers_when_they_confirm_an_end_at_once_then_paid_once(upstream, customer, service):
    provider = service.upstream.provider
    made = create_accepted(customer, service, 3)
    cancel_there(upstream, made)
    answers = client_for(provider).statuses([str(one.upstream_id) for one in made])
    first = [polls_of(made) for _ in range(4)]
    assert at_once(4, lambda n: apply_answers(provider=provider, batch=first[n], answers=answers)) == [None] * 4
    assert paid(made) == NOTHING
    pass_time(minutes=10)
    second = [polls_of(made) for _ in range(4)]
    assert at_once(4, lambda n: apply_answers(provider=provider, batch=second[n], answers=answers)) == [None] * 4
    assert paid(made) == [[250_000]] * 3


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("small_wave", "invariants_hold")
def test_batches_when_applied_at_once_then_paid_within_the_bound(upstream, customer, service):
    """Four batches that don't see each other pay two each at most; the next one sees them."""
    provider = service.upstream.provider
    made = create_accepted(customer, service, 12)
    cancel_there(upstream, made)
    answers = client_for(provider).statuses([str(one.upstream_id) for one in made])
    parts = [polls_of(made[start : start + 2]) for start in range(0, 8, 2)]
    at_once(4, lambda n: apply_answers(provider=provider, batch=parts[n], answers=answers))
    assert len([one for one in made if refunds_of(one)]) <= 4 * 2
    apply_answers(provider=provider, batch=polls_of(made[8:9]), answers=answers)
    assert refunds_of(made[8]) == []
