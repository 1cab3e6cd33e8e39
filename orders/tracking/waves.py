"""Waves: many orders of one provider that turn canceled within a short time. Their refunds wait for a second answer.

A provider that fails often reports all orders as canceled, and takes it back an hour later; a refund is never taken
back. So an end in a wave is held in the order's poll and nothing of the order changes. It is applied if an answer after
the wait has the same status and refund. Another answer replaces the held one, or drops it.

What may still be paid at the first answer: fewer than `WAVE_ORDERS` ends of each batch. Each batch counts what was
committed before it. Batches of one provider that are applied at the same moment do not see each other, and there are at
most as many as it has lanes for polls. Ends that stay below the share, of the open orders and of each batch, are no
wave.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from catalog.models import Provider
from orders.common.backoff import LATE_POLL
from orders.models import CancelRequest, Order, OrderPoll
from orders.states import CancelState, Status, Submission
from orders.tracking.interpret import OrderChange
from panel.alerts import running
from panel.site import registry as site

# Cancel requests that the provider accepted: it may end the order because of them. One that it refused proves nothing.
_TAKEN = Q(state=CancelState.ACCEPTED) | Q(state=CancelState.ENDED, asked_at__isnull=False)


class Held(NamedTuple):
    """An end that waits for a second answer: its status, its refund in total (micro-units), and since when it waits."""

    status: str
    refund: int
    since: datetime


# -- the decisions: pure -----------------------------------------------------------------------------


def end_of(change: OrderChange) -> tuple[str, int] | None:
    """Return the status and total refund of a change that cancels an order or refunds all of it; else None."""
    if change.refund is None:
        return None
    status = str(change.values.get("status", change.was))
    is_full = change.refund.target == change.order.charge
    return (status, change.refund.target) if is_full or status == Status.CANCELED else None


def is_wave(*, ends: int, of: int, number: int, percent: int) -> bool:
    """Return True if `ends` are at least `number`, and `percent` of `of` orders."""
    return ends >= number and ends * 100 >= of * percent


def next_hold(*, end: tuple[str, int], held: Held | None, in_wave: bool, now: datetime, wait: timedelta) -> Held | None:
    """Return what is held of an order with this end; None if the end is applied now."""
    if held is None:
        return Held(*end, now) if in_wave else None
    if (held.status, held.refund) != end:
        return Held(*end, now)
    return held if now < held.since + wait else None


# -- what is counted ---------------------------------------------------------------------------------


def held_of(poll: OrderPoll) -> Held | None:
    """Return the end that waits in the poll, if there is one."""
    if poll.held_since is None:
        return None
    return Held(poll.held_status, poll.held_refund or 0, poll.held_since)


def held_until(held: Held, *, now: datetime) -> datetime:
    """Return when the provider is asked again: after another wait, if the end is still held after the first."""
    until = held.since + _wait()
    return until if until > now else now + _wait()


def hold_ends(
    *,
    provider: Provider,
    polls: Iterable[OrderPoll],
    changes: Mapping[int, OrderChange],
    together: Collection[int],
    answers: int,
    now: datetime,
) -> dict[int, Held]:
    """Return the ends among `changes` that are held, by order.

    `together` are the orders that ended in the same call, which has so many `answers`. Orders whose cancel
    the provider accepted before are never held. Reads the database only if there is an end.
    """
    before = {poll.pk: held_of(poll) for poll in polls}
    ends = {pk: end for pk, change in changes.items() if (end := end_of(change))}
    if not ends:
        return {}
    unasked = set(together) | set(ends)
    since = now - timedelta(minutes=site.WAVE_MINUTES.value)
    earlier = _ended_since(provider, since).exclude(pk__in=unasked).count()
    waiting = OrderPoll.objects.filter(provider=provider, held_since__isnull=False).exclude(pk__in=unasked).count()
    in_wave, number = False, site.WAVE_ORDERS.value
    if len(unasked) + earlier + waiting >= number or any(before[pk] for pk in ends):
        asked = CancelRequest.objects.filter(_TAKEN, order_id__in=unasked).values_list("order_id", "asked_at")
        # A request that follows the hold must not end it: the customer would be paid at the first word.
        unasked -= {pk for pk, at in asked if not ((held_end := before.get(pk)) and at and at >= held_end.since)}
        percent = site.WAVE_PERCENT.value
        in_wave = is_wave(ends=len(unasked), of=answers, number=number, percent=percent) or is_wave(
            ends=len(unasked) + earlier + waiting, of=_open_orders(provider) + earlier, number=number, percent=percent
        )
    wait = _wait()
    held: dict[int, Held] = {}
    for pk in set(ends) & unasked:
        if one := next_hold(end=ends[pk], held=before[pk], in_wave=in_wave, now=now, wait=wait):
            held[pk] = one
        elif (waiting_end := before[pk]) and running.is_in_doubt():
            held[pk] = waiting_end  # The wait may be over only by a clock that jumped.
    return held


def _wait() -> timedelta:
    return timedelta(minutes=site.WAVE_WAIT_MINUTES.value)


def _ended_since(provider: Provider, since: datetime) -> QuerySet[OrderPoll]:
    """Return the polls of orders that were canceled or refunded in full since then, though nobody asked for it.

    An order that ends is polled a day later, so the queue's index finds those that ended lately. A manual close leaves
    a note on the order.
    """
    lately = OrderPoll.objects.filter(provider=provider, due_at__gte=since + LATE_POLL, order__finished_at__gte=since)
    return lately.filter(
        Q(order__status=Status.CANCELED) | Q(order__refunded=F("order__charge")),
        ~Exists(CancelRequest.objects.filter(_TAKEN, order=OuterRef("pk"))),
        order__status_note="",
    )


def _open_orders(provider: Provider) -> int:
    return Order.objects.filter(provider=provider, submission=Submission.ACCEPTED, finished_at=None).count()
