"""Which request a held payment may belong to. Reads only."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q, QuerySet

from billing.fee_terms import FeeTerms
from billing.models import Deposit, Payment

MAX_PROPOSALS = 10
# Before a payment, how long ago its request may have been made.
MAX_AGE = timedelta(days=14)


def proposals_for(*, payment: Payment) -> list[Deposit]:
    """Return the requests that the payment may be for, the likeliest first.

    That is the one it names, those that it pays exactly, then others that wait for money by the same method.
    """
    if payment.deposit_id:
        return [_with_customer(Deposit.objects.filter(pk=payment.deposit_id)).get()]
    lately = Q(created_at__gte=payment.seen_at - MAX_AGE, created_at__lte=payment.seen_at)
    waiting = _with_customer(Deposit.objects.filter(lately, state=Deposit.State.PENDING))
    exactly = waiting.filter(_pays(waiting, payment.came_in))[:MAX_PROPOSALS]
    same_method = waiting.filter(method=payment.method_id)[:MAX_PROPOSALS]
    found = {deposit.pk: deposit for deposit in (*exactly, *same_method)}
    return sorted(found.values(), key=lambda one: (one.to_pay != payment.came_in, -one.pk))[:MAX_PROPOSALS]


def _pays(waiting: QuerySet[Deposit], came_in: int) -> Q:
    """Return the condition of the deposits whose amount with its fee is `came_in`: there are few kinds of fees."""
    payer = Deposit.FeePayer.CUSTOMER
    found = ~Q(fee_payer=payer) & Q(amount=came_in)
    for fee_bp, fee_fixed in waiting.filter(fee_payer=payer).order_by().values_list("fee_bp", "fee_fixed").distinct():
        net = FeeTerms(fee_bp, fee_fixed).net_of(came_in)
        found |= Q(fee_payer=payer, fee_bp=fee_bp, fee_fixed=fee_fixed, amount=net)
    return found


def _with_customer(deposits: QuerySet[Deposit]) -> QuerySet[Deposit]:
    return deposits.select_related("customer", "method").order_by("-pk")
