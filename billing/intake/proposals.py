"""Which request a held payment may belong to. Reads only."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q, QuerySet

from billing.models import Deposit, Payment

MAX_PROPOSALS = 10
# Before a payment, how long ago its request may have been made.
MAX_AGE = timedelta(days=14)


def proposals_for(*, payment: Payment) -> list[Deposit]:
    """Return the requests that the payment may be for, the likeliest first.

    That is the one it names, those of the same amount, then others that wait for money by the same method.
    """
    if payment.deposit_id:
        return [_with_customer(Deposit.objects.filter(pk=payment.deposit_id)).get()]
    lately = Q(created_at__gte=payment.seen_at - MAX_AGE, created_at__lte=payment.seen_at)
    waiting = _with_customer(Deposit.objects.filter(lately, state=Deposit.State.PENDING))
    same_amount = waiting.filter(amount=payment.came_in)[:MAX_PROPOSALS]
    same_method = waiting.filter(method=payment.method_id)[:MAX_PROPOSALS]
    found = {deposit.pk: deposit for deposit in (*same_amount, *same_method)}
    return sorted(found.values(), key=lambda one: (one.amount != payment.came_in, -one.pk))[:MAX_PROPOSALS]


def _with_customer(deposits: QuerySet[Deposit]) -> QuerySet[Deposit]:
    return deposits.select_related("customer", "method").order_by("-pk")
