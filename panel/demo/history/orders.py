"""Writes the orders of the story: orders, drip-feeds, attempts, timelines and polls, as the panel would have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from django.conf import settings

from catalog.models import Provider, Service
from catalog.provider_accounts import account_of
from catalog.upstream.errors import ErrorCode
from orders.common.backoff import LATE_CHANGES, LATE_POLL
from orders.dispatch.outcomes import PERMANENT
from orders.models import DripFeed, Order, OrderEvent, OrderPoll, PlacementAttempt
from orders.states import FINAL, AttemptOutcome, DripState, EventKind, ReviewReason, Status, Submission
from panel.demo.history.people import Accounts
from panel.demo.history.sold import Sold
from panel.demo.history.story import Drip, Fate, Purchase
from panel.lib.bulk_sql import update_rows
from panel.lib.http.exchange import Phase
from panel.lib.links.keys import link_key
from panel.lib.money import format_money

ROWS = 500
DEADLINE = timedelta(minutes=30)
_SUBMISSIONS = {
    Fate.ACCEPTED: Submission.ACCEPTED,
    Fate.REFUSED: Submission.REFUSED,
    Fate.WITHDRAWN: Submission.WITHDRAWN,
    Fate.WAITS: Submission.QUEUED,
    Fate.DOUBT: Submission.IN_DOUBT,
}
_WITHDRAWN = "Canceled before it was sent"
_NO_ANSWER = "The connection was closed before an answer came."
_NEVER_SAID = "The provider never said whether it has this order."


@dataclass(frozen=True, slots=True)
class Shop:
    """What the writers need: the moment of writing, our provider and its services, the customers."""

    now: datetime
    provider: Provider
    services: dict[str, Service]
    accounts: Accounts

    def ago(self, age: float) -> datetime:
        return self.now - timedelta(seconds=age)


def write_orders(*, shop: Shop, sold: Sequence[Sold], ids: dict[int, int], draw: Random) -> list[Order]:
    """Write the orders in the sequence of `sold`; `ids` are the provider's, by place. Return them."""
    drips = _write_drips(shop, sold)
    orders = [
        _order(shop, one, place=place, upstream_id=ids.get(place), drips=drips, draw=draw)
        for place, one in enumerate(sold)
    ]
    Order.objects.bulk_create(orders, batch_size=ROWS)
    pairs = list(zip(sold, orders, strict=True))
    account = account_of(shop.provider)
    attempts = [_attempt(shop, one, order, account) for one, order in pairs if order.attempts]
    PlacementAttempt.objects.bulk_create(attempts, batch_size=ROWS)
    accepted = [one for one in attempts if one.outcome == AttemptOutcome.ACCEPTED]
    update_rows(model=Order, columns=("accepted_attempt_id",), rows=[(one.order_id, one.pk) for one in accepted])
    events = [event for one, order in pairs for event in _events(shop, one, order)]
    OrderEvent.objects.bulk_create(sorted(events, key=lambda event: event.created_at), batch_size=ROWS)
    OrderPoll.objects.bulk_create(
        (
            OrderPoll(
                order=order,
                provider=shop.provider,
                due_at=order.next_poll_at,
                checked_at=_checked_at(shop, order),
                unchanged=draw.randrange(3),
            )
            for order in orders
            if order.next_poll_at
        ),
        batch_size=ROWS,
    )
    return orders


# -- orders ------------------------------------------------------------------------------------------


def _order(
    shop: Shop, sold: Sold, *, place: int, upstream_id: int | None, drips: dict[str, DripFeed], draw: Random
) -> Order:
    purchase, service = sold.purchase, shop.services[sold.purchase.good.name]
    created_at, is_accepted = shop.ago(purchase.age), purchase.fate is Fate.ACCEPTED
    order = Order(
        customer=shop.accounts.users[purchase.email],
        service=service,
        service_name=service.name,
        service_type=service.type,
        link=purchase.link,
        link_key=link_key(purchase.link),
        quantity=purchase.quantity,
        params=purchase.params,
        price=sold.price,
        charge=sold.charge,
        refunded=sold.refunded,
        expected_cost=sold.expected_cost,
        request_key=_request_key(purchase, place, drips),
        api_key_ref=shop.accounts.api_key_id if purchase.by_api else None,
        drip_feed=drips[purchase.drip.name] if purchase.drip else None,
        run=purchase.run,
        created_at=created_at,
        provider=shop.provider,
        upstream_service_id=service.upstream.external_id,
        exchange_rate=shop.provider.exchange_rate,
        currency=shop.provider.currency,
        submission=_SUBMISSIONS[purchase.fate],
        queued_at=created_at,
        next_action_at=None,
        turn=place + 1,
        attempts=int(purchase.fate in (Fate.ACCEPTED, Fate.REFUSED, Fate.DOUBT)),
        status=sold.status,
        start_count=sold.start_count,
        remains=sold.remains,
        upstream_charge=sold.kept if is_accepted else None,
        finished_at=None if sold.finished_age is None else shop.ago(sold.finished_age),
    )
    if order.attempts:
        order.claim_token = f"{draw.getrandbits(128):032x}"
    if is_accepted:
        order.upstream_id, order.upstream_number = str(upstream_id), upstream_id
        order.accepted_at = shop.ago(purchase.accepted_age)
        order.checked_at = order.finished_at or shop.now
        order.next_poll_at = _next_poll(shop, order, draw)
    elif purchase.fate is Fate.REFUSED:
        order.status_note = PERMANENT[ErrorCode.BAD_LINK]
    elif purchase.fate is Fate.WITHDRAWN:
        order.status_note = _WITHDRAWN
    elif purchase.fate is Fate.WAITS:
        order.turn, order.next_action_at = -order.turn, shop.now + timedelta(minutes=1)
    elif purchase.fate is Fate.DOUBT:
        order.doubt_until = shop.ago(purchase.age) + DEADLINE
        order.review_reason, order.review_since = ReviewReason.DOUBT, order.doubt_until
        order.review_note, order.review_finding = _NEVER_SAID, f"{ReviewReason.DOUBT}:"
    return order


def _request_key(purchase: Purchase, place: int, drips: dict[str, DripFeed]) -> str:
    if purchase.batch:
        return f"demo-{purchase.batch[0]}.{purchase.batch[1]}"
    if purchase.drip and purchase.run and purchase.run > 1:
        return f"drip-{drips[purchase.drip.name].pk}-{purchase.run}"
    return f"demo-{place}"


def _next_poll(shop: Shop, order: Order, draw: Random) -> datetime | None:
    """Return when it is polled next: an order that ended is, daily for a week."""
    if order.finished_at is None:
        return shop.now + timedelta(seconds=draw.uniform(4, 40))
    days = (shop.now - order.finished_at) // LATE_POLL + 1
    due_at = order.finished_at + days * LATE_POLL
    return due_at if due_at - order.finished_at < LATE_CHANGES + LATE_POLL else None


def _checked_at(shop: Shop, order: Order) -> datetime | None:
    if order.finished_at is None or order.next_poll_at is None:
        return shop.now
    return max(order.finished_at, order.next_poll_at - LATE_POLL)


def _attempt(shop: Shop, sold: Sold, order: Order, account: str) -> PlacementAttempt:
    purchase = sold.purchase
    ended_at = shop.ago(purchase.accepted_age)
    attempt = PlacementAttempt(
        order=order,
        token=order.claim_token,
        started_at=ended_at - timedelta(milliseconds=400),
        finished_at=ended_at,
        outcome=AttemptOutcome.ACCEPTED,
        phase=Phase.ANSWERED,
        http_status=200,
        body=f'{{"order": {order.upstream_id}}}',
        account=account,
    )
    if purchase.fate is Fate.REFUSED:
        attempt.outcome, attempt.body, attempt.detail = AttemptOutcome.REFUSED, '{"error": "Bad link"}', "Bad link"
    elif purchase.fate is Fate.DOUBT:
        attempt.outcome, attempt.phase, attempt.body, attempt.http_status = AttemptOutcome.UNKNOWN, Phase.SENT, "", None
        attempt.detail = _NO_ANSWER
    return attempt


# -- drip-feeds --------------------------------------------------------------------------------------


def _write_drips(shop: Shop, sold: Sequence[Sold]) -> dict[str, DripFeed]:
    """Write the drip-feeds, which are paid at their first run. Return them by name."""
    drips = {
        one.purchase.drip.name: _drip(shop, one, one.purchase.drip, sold)
        for one in sold
        if one.purchase.drip and one.purchase.run == 1
    }
    DripFeed.objects.bulk_create(drips.values())
    return drips


def _drip(shop: Shop, first: Sold, drip: Drip, sold: Sequence[Sold]) -> DripFeed:
    purchase, service = first.purchase, shop.services[first.purchase.good.name]
    last = min(one.purchase.age for one in sold if one.purchase.drip == drip)
    state, ended_at, next_run_at, refunded = DripState.RUNNING, None, None, 0
    paused_at, wait_left = None, None
    if drip.begun == drip.runs:
        state, ended_at = DripState.COMPLETED, shop.ago(last)
    elif drip.stopped_after is not None:
        state, ended_at = DripState.STOPPED, shop.ago(last - drip.stopped_after)
        refunded = first.charge * (drip.runs - drip.begun)
    elif drip.paused_after is not None:
        paused_at, wait_left = shop.ago(last - drip.paused_after), drip.interval * 60 - drip.paused_after
    else:
        next_run_at = shop.ago(last) + timedelta(minutes=drip.interval)
    return DripFeed(
        customer=shop.accounts.users[purchase.email],
        service=service,
        service_name=service.name,
        link=purchase.link,
        quantity=purchase.quantity,
        params=purchase.params,
        runs=drip.runs,
        interval=drip.interval,
        price=first.price,
        run_charge=first.charge,
        charge=first.charge * drip.runs,
        refunded=refunded,
        begun=drip.begun,
        state=state,
        next_run_at=next_run_at,
        paused_at=paused_at,
        wait_left=wait_left,
        created_at=shop.ago(purchase.age),
        ended_at=ended_at,
    )


# -- timelines ---------------------------------------------------------------------------------------


def _events(shop: Shop, sold: Sold, order: Order) -> Iterator[OrderEvent]:
    purchase = sold.purchase

    def event(age: float, kind: EventKind, text: str = "", **values: object) -> OrderEvent:
        return OrderEvent(order=order, created_at=shop.ago(age), kind=kind, text=text, **values)

    text = "Order received through the API" if purchase.by_api else "Order received"
    if purchase.drip:
        text = f"Run {purchase.run} of {purchase.drip.runs} began"
    yield event(purchase.age, EventKind.ORDERED, text, new=Status.PENDING)
    if purchase.fate is Fate.ACCEPTED:
        yield event(purchase.accepted_age, EventKind.SUBMISSION, "Sent to the provider", new=Submission.ACCEPTED)
        yield from _progress(shop, sold, order)
    elif purchase.fate is Fate.DOUBT:
        moved = {"old": Submission.SUBMITTING, "new": Submission.IN_DOUBT, "is_public": False}
        yield event(purchase.accepted_age, EventKind.SUBMISSION, _NO_ANSWER, **moved)
        text = f"{ReviewReason.DOUBT.label}. {_NEVER_SAID}"
        age = purchase.age - DEADLINE.total_seconds()
        yield event(age, EventKind.REVIEW, text, new=ReviewReason.DOUBT, is_public=False)
    if purchase.fate in (Fate.REFUSED, Fate.WITHDRAWN) and sold.finished_age is not None:
        is_refused = purchase.fate is Fate.REFUSED
        staff_text, old = ("Bad link", Submission.SUBMITTING) if is_refused else ("", Submission.QUEUED)
        moved = {"old": old, "new": order.submission, "is_public": False}
        actor = None if is_refused else order.customer
        yield event(sold.finished_age, EventKind.SUBMISSION, staff_text, actor=actor, **moved)
        ended = {"old": Status.PENDING, "new": Status.CANCELED, "actor": actor}
        yield event(sold.finished_age, EventKind.STATUS, order.status_note, **ended)
        yield event(
            sold.finished_age,
            EventKind.REFUND,
            _refund_text(sold, order.status_note),
            new=str(sold.refunded),
            actor=actor,
        )


def _progress(shop: Shop, sold: Sold, order: Order) -> Iterator[OrderEvent]:
    """Yield the changes of status so far, each some seconds after the provider made it, and the refund at the end."""
    purchase, plan = sold.purchase, sold.purchase.plan
    assert plan is not None  # noqa: S101  (it was accepted)
    starts = plan.pending_seconds + plan.processing_seconds
    steps = [(plan.pending_seconds, Status.PROCESSING)] if plan.processing_seconds else []
    steps += [(starts, Status.IN_PROGRESS)] if plan.running_seconds else []
    ends = purchase.ends_after
    status = Status.PENDING
    for after, new in steps:
        age = purchase.accepted_age - after - 3
        if age <= 0 or (ends is not None and after >= ends):
            break
        yield OrderEvent(order=order, created_at=shop.ago(age), kind=EventKind.STATUS, old=status, new=new)
        status = new
    if sold.status not in FINAL or sold.finished_age is None:
        return
    ended_at = shop.ago(sold.finished_age)
    text = ""
    if sold.status == Status.PARTIAL:
        text = f"{sold.quantity - sold.undelivered:,} of {sold.quantity:,} delivered"
    yield OrderEvent(order=order, created_at=ended_at, kind=EventKind.STATUS, old=status, new=sold.status, text=text)
    if sold.refunded:
        why = "nothing was delivered"
        if sold.refunded < sold.charge:
            why = f"{sold.undelivered:,} of {sold.quantity:,} not delivered"
        yield OrderEvent(
            order=order,
            created_at=ended_at,
            kind=EventKind.REFUND,
            new=str(sold.refunded),
            text=_refund_text(sold, why),
        )


def _refund_text(sold: Sold, why: str) -> str:
    return f"Refunded {format_money(sold.refunded, settings.PANEL_CURRENCY)}: {why}"
