"""Teaching what a provider's words mean, and deciding about the orders that wait for it.

A meaning counts for later answers. Orders that wait for the same words follow it at once: they are refunded or sent
again if the words were the only answer that they got. If another sending of theirs may have been accepted, they are
searched for first. Orders with a status are polled again, and all rules of answers apply.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet

from catalog.models import Meaning, ProviderWord
from catalog.pauses import try_after_teaching
from catalog.upstream.masking import masked
from catalog.words.meanings import REFUSALS, meanings_for
from catalog.words.seen import close_alert
from orders.common.poll_queue import poll_soon
from orders.common.transitions import OrderMoved
from orders.dispatch.outcomes import PERMANENT
from orders.dispatch.unknown_refusals import put_in_doubt
from orders.models import Order, OrderPoll, PlacementAttempt
from orders.review import decisions
from orders.states import MAYBE_ACCEPTED, AttemptOutcome, ReviewReason, Submission
from panel.accounts.models import User
from panel.lib import clock
from panel.lib.own_account import OwnAccount, is_own
from panel.staff.deeds import AboveLimit, Why
from panel.staff.kinds import Reason

MAX_SECONDS = 20.0
# Orders that a preview counts; more are decided in further runs.
MAX_ORDERS = 2_000
_SHOWN = ("provider", "customer", "service__upstream")


@dataclass(frozen=True, slots=True)
class Waiting:
    """The orders that wait for one word. `charge` are micro-units in all; `unsure` may have been accepted otherwise."""

    orders: Sequence[Order]
    unsure: frozenset[int]

    @property
    def charge(self) -> int:
        return sum(order.net_charge for order in self.orders)

    @property
    def sure(self) -> list[Order]:
        return [order for order in self.orders if order.pk not in self.unsure]

    @property
    def sure_charge(self) -> int:
        return sum(order.net_charge for order in self.sure)


@dataclass(slots=True)
class Decided:
    """What was done about waiting orders; `refunded` is in micro-units. `left` moved, or are the actor's own.

    Nothing was done about those `above_limit` of the actor.
    """

    refunded_orders: int = 0
    refunded: int = 0
    queued: int = 0
    searched: int = 0
    polled: int = 0
    left: int = 0
    above_limit: list[Order] = field(default_factory=list)


def waiting_for(*, word: ProviderWord) -> Waiting:
    """Return the orders in review for this word, oldest first."""
    if word.about == ProviderWord.About.STATUS:
        return Waiting(_with_status(word), frozenset())
    orders = [order for order in _in_review(word) if masked(order.review_note) == word.text]
    attempts = PlacementAttempt.objects.filter(
        order__in=[order.pk for order in orders], outcome__in=MAYBE_ACCEPTED
    ).values_list("order_id", "outcome", "detail")
    unsure = {
        pk for pk, outcome, detail in attempts if outcome != AttemptOutcome.UNCLEAR or masked(detail) != word.text
    }
    return Waiting(orders, frozenset(unsure))


def _in_review(word: ProviderWord) -> QuerySet[Order]:
    orders = Order.objects.filter(
        provider=word.provider_id, submission=Submission.QUEUED, review_reason=ReviewReason.UNKNOWN_ERROR
    )
    return orders.select_related("provider", "customer", "service__upstream").order_by("review_since", "pk")[
        :MAX_ORDERS
    ]


def _with_status(word: ProviderWord) -> list[Order]:
    """Return the orders that have this status now, and those that are in review for it."""
    polls = OrderPoll.objects.filter(provider=word.provider_id, unknown_since__isnull=False)
    found = [pk for pk, text in polls.values_list("pk", "unknown_word") if masked(text) == word.text]
    reviewed = Order.objects.filter(provider=word.provider_id, review_reason=ReviewReason.UNKNOWN_STATUS)
    # The finding of such a review ends in the word.
    found += [
        pk for pk, text in reviewed.values_list("pk", "review_finding") if masked(text.partition(":")[2]) == word.text
    ]
    orders = Order.objects.filter(pk__in=found[:MAX_ORDERS])
    return list(orders.select_related("provider", "customer", "service__upstream").order_by("pk"))


def teach(*, word: ProviderWord, meaning: Meaning | None, actor: User) -> None:
    """Store what the word means from now on; None forgets it. A provider that waits for it is tried again.

    Raise ValueError if such a word cannot have that meaning.
    """
    if meaning is not None and meaning not in meanings_for(word.about):
        raise ValueError(f"{meaning.label} is no meaning of a {word.get_about_display().lower()}.")
    word.meaning, word.proposed = meaning or "", ""
    word.taught_at, word.taught_by = clock.now(), actor
    word.save(update_fields=["meaning", "proposed", "taught_at", "taught_by"])
    close_alert(provider=word.provider)
    if meaning:
        try_after_teaching(provider=word.provider)


def decide_waiting(*, word: ProviderWord, actor: User) -> Decided:
    """Decide about the waiting orders by what was taught, for at most MAX_SECONDS. A second run does the rest.

    Each order has its own transaction. Orders that moved, or are the actor's own, are left as they are.
    """
    done = Decided()
    if not word.meaning:
        return done
    waiting = waiting_for(word=word)
    if word.about == ProviderWord.About.STATUS:
        poll_soon(order_ids=[order.pk for order in waiting.orders], due_at=clock.now() + timedelta(seconds=1))
        done.polled = len(waiting.orders)
        return done
    stop_at = time.monotonic() + MAX_SECONDS
    for order in waiting.orders:
        if time.monotonic() > stop_at or is_own(actor=actor, customer_id=order.customer_id):
            done.left += 1
        elif order.pk in waiting.unsure:
            moved = put_in_doubt(order=order)
            done.searched += moved
            done.left += not moved
        else:
            _follow(word, order, actor, done)
    return done


def _follow(word: ProviderWord, order: Order, actor: User, done: Decided) -> None:
    code = REFUSALS[word.meaning]
    try:
        if code in PERMANENT:
            refund_waiting(word=word, order=order, actor=actor, why=why_of(word))
            done.refunded_orders += 1
            done.refunded += order.net_charge
            return
        with transaction.atomic():
            _resolve_attempts(word, order)
            decisions.send_again(order=order, actor=actor)
            done.queued += 1
    except AboveLimit:
        done.above_limit.append(order)
    except (OrderMoved, decisions.ReviewError, OwnAccount):
        done.left += 1


def refund_waiting(*, word: ProviderWord, order: Order, actor: User, why: Why) -> None:
    """Cancel and refund an order that waits for the word. Raise ReviewError if it means no refund any more, OrderMoved,
    AboveLimit, or OwnAccount.
    """
    code = REFUSALS.get(word.meaning)
    if code not in PERMANENT:
        raise decisions.ReviewError("The word does not mean a refund any more.")
    with transaction.atomic():
        _resolve_attempts(word, order)
        decisions.refund_unaccepted(order=order, note=PERMANENT[code], actor=actor, why=why)


def why_of(word: ProviderWord) -> Why:
    """Return the reason of the refunds that follow from what was taught."""
    return Why(Reason.PROVIDER, f"Taught: {word}")


def _resolve_attempts(word: ProviderWord, order: Order) -> None:
    """Count the attempts that got this answer as refused: they are no longer candidates for an order in doubt."""
    unclear = order.submission_attempts.filter(outcome=AttemptOutcome.UNCLEAR)
    same = [pk for pk, detail in unclear.values_list("pk", "detail") if masked(detail) == word.text]
    PlacementAttempt.objects.filter(pk__in=same).update(outcome=AttemptOutcome.TAUGHT)
