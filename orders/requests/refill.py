"""Refills: what dropped after an order was completed is delivered again, if the provider accepts the request.

A refill is sent once: if it may have been sent but no answer came, it is not sent again.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import IntegrityError, models, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from catalog.models import Provider
from catalog.refill_windows import is_over
from catalog.upstream.client import UpstreamClient
from catalog.upstream.results import RefillAccepted, RowError
from orders.common.timeline import event_of, write_event
from orders.models import Order, OrderEvent, Refill
from orders.requests import queue
from orders.states import EventKind, RefillState, Status, Submission
from panel.accounts.models import User
from panel.lib import clock
from panel.lib.backoff import jitter
from panel.lib.task_hints import hint_after_commit

# Providers accept one refill of an order in this time.
ONE_EVERY = timedelta(hours=24)
AFTER_REFUSAL = timedelta(hours=1)
# From an accepted refill to its first poll.
FIRST_LOOK = timedelta(minutes=1)

UNSURE = "It may have reached the provider, but no clear answer came. It is not sent again by itself."


class RefillRefusal(models.TextChoices):
    """Reasons why no refill can be requested now. The labels are for the customer."""

    NOT_COMPLETED = "not_completed", _("Only a completed order can be refilled.")
    NO_REFILL = "no_refill", _("This service has no refill.")
    OVER = "over", _("The time in which this order could be refilled is over.")
    UNDER_WAY = "under_way", _("A refill of this order is under way.")
    REFUSED_LATELY = (
        "refused_lately",
        _("A refill of this order was refused just now. Try again an hour after that."),
    )
    ASKED_LATELY = (
        "asked_lately",
        _("A refill of this order was asked for in the last 24 hours. Try again after that."),
    )


class RefillRefused(Exception):
    """No refill can be requested now; nothing was changed. The message is for the customer."""

    def __init__(self, reason: RefillRefusal) -> None:
        super().__init__(reason.label)
        self.reason = reason


def may_refill(order: Order) -> bool:
    """Return True if `request_refill` would succeed now."""
    return why_not_refilled(order) is None


def refillable(orders: Collection[Order]) -> set[int]:
    """Return the primary keys of those for which `may_refill` is true, in one statement.

    The orders must come with `service.upstream` loaded.
    """
    return {pk for pk, refusal in refusals_of(orders).items() if refusal is None}


def why_not_refilled(order: Order) -> RefillRefusal | None:
    """Return why no refill of the order can be requested now, None if one can."""
    return refusals_of([order])[order.pk]


def refusals_of(orders: Collection[Order]) -> dict[int, RefillRefusal | None]:
    """Return why no refill of each order can be requested now, None if one can; in one statement at most.

    Several orders must come with `service.upstream` loaded.
    """
    now = clock.now()
    found = {order.pk: _why_never(order, now) for order in orders}
    able = [pk for pk, refusal in found.items() if refusal is None]
    waits = Q(state__in=RefillState.open()) | _refused_lately(now) | _asked_lately(now)
    earlier = Refill.objects.filter(waits, order__in=able).order_by().values_list("order_id", "state")
    states: dict[int, set[str]] = {}
    for pk, state in earlier if able else ():
        states.setdefault(pk, set()).add(state)
    for pk, held in states.items():
        if held & set(RefillState.open()):
            found[pk] = RefillRefusal.UNDER_WAY
        else:
            is_refused = RefillState.REFUSED in held
            found[pk] = RefillRefusal.REFUSED_LATELY if is_refused else RefillRefusal.ASKED_LATELY
    return found


def _why_never(order: Order, now: datetime) -> RefillRefusal | None:
    """Return why the order itself takes no refill; None if only its earlier refills may stand against one."""
    if order.status != Status.COMPLETED or order.submission != Submission.ACCEPTED:
        return RefillRefusal.NOT_COMPLETED
    if not order.service.has_refill:
        return RefillRefusal.NO_REFILL
    if is_over(days=order.service.refill_days, ended_at=order.finished_at, now=now):
        return RefillRefusal.OVER
    return None


def _refused_lately(now: datetime) -> Q:
    return Q(state=RefillState.REFUSED, finished_at__gt=now - AFTER_REFUSAL)


def _asked_lately(now: datetime) -> Q:
    return ~Q(state=RefillState.REFUSED) & Q(asked_at__gt=now - ONE_EVERY)


def request_refill(*, order: Order, actor: User | None) -> Refill:
    """Queue a refill, which is sent within seconds. Raise RefillRefused."""
    try:
        with transaction.atomic():
            # NO KEY, so that inserts of timeline events for this order need not wait.
            locked = Order.objects.select_for_update(no_key=True).get(pk=order.pk)
            if reason := why_not_refilled(locked):
                raise RefillRefused(reason)
            refill = Refill.objects.create(order=locked, provider_id=locked.provider_id, actor=actor, **queue.due_now())
            who = "You" if actor == locked.customer else "Our team"
            write_event(order_id=locked.pk, kind=EventKind.REFILL, text=f"{who} asked for a refill", actor=actor)
            hint_after_commit("orders.tasks.send_requests")
            return refill
    except IntegrityError:
        raise RefillRefused(RefillRefusal.UNDER_WAY) from None


# -- sending to the provider -------------------------------------------------------------------------


def unsent_refills() -> QuerySet[Refill]:
    """Return refills to send, including those whose worker died."""
    return Refill.objects.filter(state__in=(RefillState.WAITING, RefillState.ASKING))


def send_refills(*, provider: Provider) -> tuple[int, queue.Trouble | None]:
    """Claim, send and record at most 100 refills; return how many, and the error that prevented answers, if any."""
    batch = claim_refills(provider=provider)
    if not batch:
        return 0, None
    ids = [refill.order.upstream_id for refill in batch]
    answers, trouble = queue.send_batch(provider, UpstreamClient.refill, ids)
    record_refills(batch=batch, answers=answers, trouble=trouble)
    return len(batch), trouble or queue.cut_short(answers, provider=provider) or queue.unclear(ids, answers)


def claim_refills(*, provider: Provider) -> list[Refill]:
    """Claim due refills under a lease. If an earlier lease ran out, the refill may have been sent: end it instead."""
    batch: list[Refill] = []
    ended: list[Refill] = []
    with transaction.atomic():
        for refill in queue.lock_batch(unsent_refills(), provider=provider):
            if refill.state == RefillState.ASKING:
                queue.end(refill, state=RefillState.UNFOLLOWED, note=UNSURE)
            elif refill.order.status != Status.COMPLETED:
                queue.end(refill, state=RefillState.REFUSED, note="The order changed, and is no longer completed.")
            else:
                batch.append(refill)
                continue
            ended.append(refill)
        if ended:
            _save(ended, [event_of(order_id=one.order_id, kind=EventKind.REFILL, text=one.note) for one in ended])
        if batch:
            queue.lease(batch, state=RefillState.ASKING)
    return batch


def record_refills(
    *,
    batch: list[Refill],
    answers: dict[str, RefillAccepted | RowError],
    trouble: queue.Trouble | None,
) -> None:
    """Record the answers in one transaction. A worker that lost its lease writes nothing."""
    with transaction.atomic():
        held = queue.lock_held(unsent_refills(), batch)
        events: list[OrderEvent] = []
        for refill in held:
            answer = answers.get(refill.order.upstream_id or "")
            if text := _decide(refill, answer, trouble):
                events += queue.events_of(order_id=refill.order_id, kind=EventKind.REFILL, text=text, answer=answer)
        _save(held, events)


def _save(refills: list[Refill], events: list[OrderEvent]) -> None:
    for refill in refills:
        refill.claim_token = ""
    Refill.objects.bulk_update(
        refills, ["state", "note", "attempts", "upstream_id", "claim_token", "next_action_at", "finished_at"]
    )
    # In the order in which polling locks them: each event locks its order when the transaction ends.
    OrderEvent.objects.bulk_create(sorted(events, key=lambda event: event.order_id))


def _decide(refill: Refill, answer: RefillAccepted | RowError | None, trouble: queue.Trouble | None) -> str:
    """Apply the answer to the refill, unsaved; return the text for the customer, or "" while it waits."""
    if isinstance(answer, RefillAccepted) and answer.refill_id:
        refill.state, refill.upstream_id = RefillState.PENDING, answer.refill_id
        refill.next_action_at = clock.now() + FIRST_LOOK * jitter()
        return "The provider took the refill"
    if isinstance(answer, RowError) and answer.is_not_asked:
        queue.put_back(refill, waiting=RefillState.WAITING)
        return ""
    state, note = RefillState.REFUSED, "The provider could not be asked for the refill. Try again later."
    if isinstance(answer, RefillAccepted):
        state, note = RefillState.UNFOLLOWED, "The provider took it, but gives no number to follow it by."
    elif isinstance(answer, RowError) and answer.is_malformed:
        state, note = RefillState.UNFOLLOWED, UNSURE
    elif isinstance(answer, RowError) and not queue.is_for_now(answer.code):
        note = queue.in_plain_words(answer, action="the refill")
    elif answer is None and queue.is_final(trouble):
        note = "This provider takes no refill requests."
    elif answer is None and queue.may_have_acted(trouble):
        state, note = RefillState.UNFOLLOWED, UNSURE
    elif queue.put_off(refill, waiting=RefillState.WAITING):
        return ""
    queue.end(refill, state=state, note=note)
    return note
