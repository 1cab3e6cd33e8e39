"""The facts on the review page: the sale, the attempts, the search and the balance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.conf import settings
from django.db.models import Q

from catalog.provider_accounts import same_account
from orders.common.hidden_costs import note_without_costs, without_costs
from orders.models import Order, PlacementAttempt
from orders.reconcile.findings import evidence_attempt
from orders.review import evidence
from orders.states import MAYBE_ACCEPTED, AttemptOutcome, Submission
from panel.lib import clock
from panel.lib.admin.base import shown_money
from panel.lib.formats import moment_text


def facts_of(order: Order, *, with_costs: bool) -> dict[str, Any]:
    """Return the page's facts: the order, its attempts, the search for it and the provider's balance.

    Without costs, what may tell them is left out or hidden.
    """
    provider = order.provider
    attempt = evidence_attempt(order)
    sent_at = attempt.started_at if attempt else order.created_at
    search = evidence.search_progress(attempt, taken=_known_ids(order, attempt), currency=provider.currency)
    hint = evidence.balance_hint(
        attempt=attempt,
        expected_cost=order.expected_cost,
        others=_sent_between(order, attempt),
        exchange_rate=provider.exchange_rate,
    )
    facts = {
        "question": evidence.question_for_staff(order=order, sent_at=sent_at, now=clock.now()),
        "note": order.review_note,
        "facts": _facts(order, with_costs=with_costs),
        "shows_costs": with_costs,
        "quantity": f"{order.quantity:,}",
        "cost_there": _cost_there(order),
        "attempts": [evidence.attempt_line(attempt) for attempt in order.submission_attempts.all()],
        "was_in_doubt": order.submission == Submission.IN_DOUBT or search.count > 0,
        "search": search,
        "balance": evidence.balance_lines(hint, provider.currency) if hint else (),
        "not_counted": evidence.not_counted(hint, provider.currency) if hint else "",
    }
    return facts if with_costs else facts | _hidden(order, facts)


def _hidden(order: Order, facts: dict[str, Any]) -> dict[str, Any]:
    """Return what replaces the facts that may tell costs."""
    search = facts["search"]
    return {
        "note": note_without_costs(order.review_reason, order.review_note),
        "cost_there": "",
        "attempts": [
            replace(attempt, answer=without_costs(attempt.answer), body=without_costs(attempt.body))
            for attempt in facts["attempts"]
        ],
        "search": replace(
            search,
            note=without_costs(search.note),
            orphans=tuple(replace(orphan, charge="") for orphan in search.orphans),
        ),
        "balance": (),
        "not_counted": "",
    }


def _known_ids(order: Order, attempt: PlacementAttempt | None) -> set[str]:
    """Return the orphans' ids that our orders have by now: bound since the last search."""
    if attempt is None or not attempt.orphans:
        return set()
    found = [orphan["id"] for orphan in attempt.orphans]
    known = Order.objects.filter(provider__in=same_account(order.provider), upstream_id__in=found)
    return {upstream_id for upstream_id in known.values_list("upstream_id", flat=True) if upstream_id}


def _sent_between(order: Order, attempt: PlacementAttempt | None) -> list[evidence.OtherOrder]:
    """Return the other orders sent to the same account between the two balances of this attempt."""
    if attempt is None or attempt.balance_before_at is None or attempt.balance_after_at is None:
        return []
    # Attempts of old releases have no account.
    there = Q(account=attempt.account) if attempt.account else Q(order__provider=order.provider_id)
    attempts = (
        PlacementAttempt.objects.filter(
            there,
            outcome__in=MAYBE_ACCEPTED,
            started_at__gt=attempt.balance_before_at,
            started_at__lte=attempt.balance_after_at,
        )
        .exclude(order=order)
        .order_by("pk")
        .select_related("order")
        .defer("body")
    )
    # An order with several attempts counts once.
    return list({one.order_id: _other_order(one) for one in attempts}.values())


def _other_order(attempt: PlacementAttempt) -> evidence.OtherOrder:
    order = attempt.order
    found = order.accepted_attempt_id == attempt.pk
    return evidence.OtherOrder(order.expected_cost, is_sure=found or attempt.outcome == AttemptOutcome.ACCEPTED)


def _facts(order: Order, *, with_costs: bool) -> list[tuple[str, str]]:
    there = order.provider
    cost = shown_money(order.expected_cost)
    if there.currency != settings.PANEL_CURRENCY:
        cost += f" ({_cost_there(order)} there)"
    return [
        ("Customer", str(order.customer)),
        ("Service", order.service_name),
        ("Provider", there.name),
        ("Its service id", order.upstream_service_id),
        ("Quantity", f"{order.quantity:,}"),
        ("Charge", shown_money(order.charge)),
        *([("Expected cost", cost)] if with_costs else []),
        ("Ordered", moment_text(order.created_at)),
    ]


def _cost_there(order: Order) -> str:
    provider = order.provider
    return shown_money(evidence.cost_there(order.expected_cost, provider.exchange_rate), provider.currency)
