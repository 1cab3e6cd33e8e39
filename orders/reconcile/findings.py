"""What a search found, stored for staff on the attempt that may have been accepted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import F

from catalog.models import Provider
from catalog.provider_accounts import account_of, note_balance
from catalog.upstream.client import UpstreamClient
from catalog.upstream.errors import ProviderRefused, UnreadableAnswer
from catalog.upstream.results import StatusRow
from orders.dispatch.submit import may_repeat
from orders.models import Order, PlacementAttempt
from orders.reconcile.match import Candidate, agrees, remains_agree
from orders.review.decisions import ask_for_review
from orders.states import MAYBE_ACCEPTED, ReviewReason
from panel.lib import clock
from panel.lib.money import MoneyError, micros_down

# The most orphans that are kept for staff.
MAX_SHOWN = 20
# A balance that is older is stored anew: the reckoning needs one that rests for a while.
BALANCE_AGE = timedelta(minutes=2)


def evidence_attempt(order: Order) -> PlacementAttempt | None:
    """Return the attempt that stores the evidence: the first that may have been accepted, or else the last one."""
    maybe_taken = order.submission_attempts.filter(outcome__in=MAYBE_ACCEPTED).order_by("pk").first()
    return maybe_taken or order.submission_attempts.first()


def read_balance(provider: Provider, client: UpstreamClient, doubts: Sequence[Order]) -> int | None:
    """Read and store the balance, also as evidence of each doubt. Return it in micro-units; None if it is unreadable.

    It is no verdict: other orders change it, too.
    """
    account, asked_at = account_of(provider), clock.now()
    try:
        balance = micros_down(client.balance().amount)
    except (ProviderRefused, UnreadableAnswer, MoneyError):
        return None  # Other errors are raised: a provider that does not answer this would not answer the search.
    now = clock.now()
    if provider.balance_checked_at is None or provider.balance_checked_at < now - BALANCE_AGE:
        note_balance(provider=provider, balance=balance, asked_at=asked_at)
    for order in doubts:
        attempt = evidence_attempt(order)
        if attempt and attempt.account == account:
            # Keep the first balance: the later it is read, the more other orders have changed it.
            unread = PlacementAttempt.objects.filter(pk=attempt.pk, balance_after_at=None)
            unread.update(balance_after=balance, balance_after_at=now)
    return balance


def note_search(order: Order, text: str, **found: object) -> None:
    """Store the result of a search on the attempt. Columns not in `found` keep the result of an earlier search."""
    attempt = evidence_attempt(order)
    if attempt:
        PlacementAttempt.objects.filter(pk=attempt.pk).update(
            **found, searches=F("searches") + 1, searched_at=clock.now(), search_note=text[:500]
        )


def give_up(provider: Provider, order: Order, text: str) -> None:
    """Note why no search can find the order, and send it to review unless its request id can be sent again."""
    note_search(order, text)
    if not order.review_reason and not may_repeat(provider=provider, order=order):
        with transaction.atomic():
            ask_for_review(order=order, reason=ReviewReason.DOUBT, note=text)


def shown_orphans(doubt: Candidate | None, orphans: Mapping[int, StatusRow]) -> list[dict[str, object]]:
    """Return the orphans as the attempt stores them for staff, at most MAX_SHOWN."""
    return [
        {
            "id": str(number),
            "status": row.status_text,
            "remains": row.remains,
            "charge": None if row.charge is None else f"{row.charge:f}",
            "agrees": bool(doubt and agrees(doubt, row)),
            "remains_agree": bool(doubt and remains_agree(doubt, row)),
        }
        for number, row in sorted(orphans.items())[:MAX_SHOWN]
    ]
