"""Submitting orders to their providers: claim and commit, send once, record.

1. *Claim*: one transaction moves the order to SUBMITTING with a new token and a lease, and creates a
   PlacementAttempt. From here on the order is not sent again by itself, except as described below.
2. *Send*: outside any transaction. The client refuses to send when too little of the lease is left.
3. *Record*: conditional on the token. Without a clear answer the order is IN_DOUBT. Until the commit, the answer is
   also on disk.

A worker that is killed before 1 leaves the order queued. After 1, `record_kept_answers` records its answer if there is
one on disk; otherwise `expire_leases` moves the order to IN_DOUBT.

An order in doubt is sent again only under the request id of its first attempt, to a provider that promises to
accept a request id once (`claim_repetition`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from uuid import uuid4

import structlog
from django.db import connection, transaction
from django.db.models import F, Min

from catalog.models import Provider
from catalog.pauses import PauseKind, pause_provider, usable_providers
from catalog.prices.floor import alert_below_floor, is_unconfirmed
from catalog.provider_accounts import ProviderUnusable, account_of, add_times, client_for, has_permit, request_scope
from catalog.provider_rounds import for_each_provider
from catalog.upstream.evidence import Evidence
from catalog.upstream.results import AddOutcome, NotSent
from orders.checkout.create import cost_of_order, loss_note
from orders.common.stops import without_stops
from orders.common.transitions import OrderMoved, move
from orders.dispatch.answer_files import kept_on_disk
from orders.dispatch.answer_json import KeptAnswer, answer_to_json
from orders.dispatch.claim_queries import count_submitting, lock_provider, next_due
from orders.dispatch.held_customers import set_aside
from orders.dispatch.kept_answers import alert_unwritable
from orders.dispatch.outcomes import DATABASE_AWAY, keep_evidence, record_outcome
from orders.dispatch.sent_forms import sent_params, shown_form
from orders.dispatch.timeouts import meet_deadlines
from orders.marks.guard import check_database, keep_mark, may_send, stop_for_restore
from orders.marks.storage import Mark, MarkUnwritable
from orders.models import Order, PlacementAttempt
from orders.models.attempts import may_be_after_backup
from orders.reckoning.daily_limit import exceeds_limit, give_back_to_limit, take_from_limit
from orders.reckoning.witness import is_explained
from orders.review.decisions import ask_for_review
from orders.states import AttemptOutcome, ReviewReason, Submission
from panel.lib import clock
from panel.lib.http.calls import HUNG_SECONDS
from panel.lib.http.exchange import Phase
from panel.lib.lanes import LANES
from panel.lib.prepared_sql import insert_row
from panel.site import registry as site
from panel.site.submission_times import submission_times

log = structlog.get_logger(__name__)

ROUND_SECONDS = 20.0
# Seconds between two tries to record an answer, which double; and how long it is tried if the lease ends sooner.
FIRST_RECORD_WAIT = 0.1
MAX_RECORD_WAIT = 5.0
MIN_RECORD_SECONDS = 6.0
_ONE_MORE = F("attempts") + 1  # One instance: the statement that moves an order is composed once for it.


@dataclass(frozen=True, slots=True)
class Claim:
    """An order that only this process may send, until the lease runs out."""

    order: Order
    provider: Provider
    attempt: PlacementAttempt
    # The `time.monotonic()` after which nothing may be sent.
    not_after: float
    # Seconds that the provider may take to answer: the lease is long enough for them.
    add_timeout: float
    # What is kept outside the database before the order is sent.
    mark: Mark


def submit_due_orders(*, seconds: float = ROUND_SECONDS) -> int:
    """Submit due orders to all providers, for about `seconds`. Return how many were sent."""
    meet_deadlines()
    return for_each_provider(partial(submit_for_provider, seconds=seconds), providers_with_due_orders())


def providers_with_due_orders() -> list[Provider]:
    """Return usable providers with orders to submit, the longest waiting first; none that sending to is stopped."""
    due = (
        Order.objects.filter(submission=Submission.QUEUED, review_reason="", next_action_at__lte=clock.now())
        .values("provider_id")
        .annotate(first=Min("next_action_at"))
        .order_by("first")
        .values_list("provider_id", flat=True)
    )
    usable = without_stops(usable_providers()).in_bulk(list(due))
    return [usable[pk] for pk in due if pk in usable]


def submit_for_provider(
    *, provider: Provider, seconds: float = ROUND_SECONDS, on_claim: Callable[[], object] | None = None
) -> int:
    """Submit this provider's due orders one after another, for about `seconds`. Return how many were sent.

    Stops early when an answer pauses the provider, its lanes are taken, its limit of requests is used up or the worker
    stops. Sends nothing from a
    database that may be a restored one, by its mark or by the provider's balance. `on_claim` is called before each
    order is sent.
    """
    if not may_send():
        return 0
    try:
        client_for(provider)
    except ProviderUnusable as error:
        pause_provider(provider=provider, kind=PauseKind.SETUP, text=str(error))
        return 0
    if not is_explained(provider=provider):
        return 0
    stop_at = time.monotonic() + seconds
    sent = 0
    # Without a permit no order is claimed: it would wait with a lease that runs.
    while time.monotonic() < stop_at and not LANES.is_closing and has_permit(provider):
        claim = claim_next(provider_id=provider.pk)
        if claim is None:
            break
        sent += 1
        if on_claim is not None:
            on_claim()
        if not send_add(claim=claim):
            break
    return sent


def send_add(*, claim: Claim) -> bool:
    """Send a claimed order and record the outcome. Return False if the provider should get no more orders now."""
    outcome = _add(claim)
    text = answer_to_json(KeptAnswer(claim.provider.name, outcome))
    with kept_on_disk(token=claim.attempt.token, text=text) as obstacle:
        try:
            may_go_on = _record(claim, outcome)
        except DATABASE_AWAY:
            log.exception("answer not recorded", order=claim.order.pk, outcome=repr(outcome), on_disk=not obstacle)
            raise
        except Exception:
            log.exception("answer not recorded", order=claim.order.pk, outcome=repr(outcome))
            keep_evidence(attempt=claim.attempt, outcome=outcome)
            raise
    if obstacle:
        alert_unwritable(obstacle=obstacle)
    return may_go_on


def _add(claim: Claim) -> AddOutcome:
    """Send `add` to the address and account in the claim, even if the owner changed them meanwhile."""
    try:
        client = client_for(claim.provider, add_timeout=claim.add_timeout)
    except ProviderUnusable as error:
        return NotSent(str(error), Evidence(Phase.NEW, None, "", 0))
    try:
        params = sent_params(order=claim.order, provider=claim.provider, request_id=claim.attempt.request_id)
        keep_mark(mark=claim.mark)
        return client.add(params, not_after=claim.not_after)
    except (MarkUnwritable, ValueError) as error:
        return NotSent(str(error), Evidence(Phase.NEW, None, "", 0))


def _record(claim: Claim, outcome: AddOutcome) -> bool:
    """Record the outcome, trying until the lease ends while the database is away or, after a failover, read-only.

    Each try has its own connection: after a failover, the old one may lead to a server that stays read-only.
    """
    # At least for a moment, even if the process was stopped until the lease had ended.
    until = max(claim.not_after + claim.add_timeout, time.monotonic() + MIN_RECORD_SECONDS)
    wait = FIRST_RECORD_WAIT
    while True:
        try:
            # A copy, since `record_outcome` mutates the order and a failed try is rolled back.
            return record_outcome(
                provider=claim.provider, order=copy(claim.order), attempt=claim.attempt, outcome=outcome
            )
        except DATABASE_AWAY:
            connection.close()
            if time.monotonic() + wait > until:
                raise
            log.exception("answer not recorded yet", order=claim.order.pk, outcome=repr(outcome))
        time.sleep(wait)
        wait = min(2 * wait, MAX_RECORD_WAIT)


def claim_next(*, provider_id: int) -> Claim | None:
    """Claim the provider's next due order. Return None if there is none, sending is stopped or all lanes are taken.

    An order of a customer whose orders are held is set aside, one that would now cost more than the customer paid goes
    to review, and the next one is claimed. One that would pass the provider's daily limit stops sending to it until
    midnight.
    """
    while True:
        with transaction.atomic():
            provider = _lock_free_lane(provider_id)
            due = provider and next_due(provider)
            if not provider or not due:
                return None
            order = due.order
            if due.is_held:
                if not set_aside(customer_id=order.customer_id):
                    return None  # Somebody has locked it, such as to cancel it.
                continue
            checked = check_database()
            if not checked.finding:
                unsent = _why_unsent(provider, order)
                if unsent is None:
                    return _claim(provider, order, checked.mark)
                reason, note = unsent
                ask_for_review(order=order, reason=reason, note=note)
        if checked.finding:
            stop_for_restore(finding=checked.finding)
            return None


def claim_repetition(*, order: Order) -> Claim | None:
    """Claim an order in doubt, to send it again under its request id. Return None if that is unsafe or no lane is free.

    Its provider may be paused: the repetition cannot put another order in doubt, and an answer can end the pause.
    """
    if order.submission != Submission.IN_DOUBT or order.review_reason:
        return None
    with transaction.atomic():
        provider = _lock_free_lane(order.provider_id, may_be_paused=True)
        if provider is None or not may_repeat(provider=provider, order=order):
            return None
        checked = check_database()
        if not checked.finding:
            return _claim_with(provider, order, {}, checked.mark)
    stop_for_restore(finding=checked.finding)
    return None


def may_repeat(*, provider: Provider, order: Order) -> bool:
    """Return True if the order's last uncertain attempt has a request id that the provider, as set up now, knows."""
    return bool(_open_request(order, request_scope(provider)))


def _lock_free_lane(provider_id: int, *, may_be_paused: bool = False) -> Provider | None:
    """Return the provider, locked, if it may get one more order now; else None.

    The lock keeps other workers from counting the same lane as free.
    """
    provider = lock_provider(provider_id=provider_id, may_be_paused=may_be_paused)
    if provider is None:
        return None
    _, lease = submission_times()
    late_since = clock.now() + timedelta(seconds=lease - HUNG_SECONDS)
    submitting, late = count_submitting(provider_id=provider_id, late_since=late_since)
    is_free = has_free_lane(
        lanes=1 if provider.pause_count else provider.max_parallel_adds,
        submitting=submitting,
        late=0 if provider.pause_count else late,
        max_late=site.MAX_LATE_ANSWERS.value,
    )
    return provider if is_free else None


def has_free_lane(*, lanes: int, submitting: int, late: int, max_late: int) -> bool:
    """Return True if one more order may be sent, while `submitting` are being sent. Pure.

    An order whose answer is late gives its lane to another, as long as at most `max_late` of them wait.
    """
    return submitting - min(late, max_late) < lanes


def _why_unsent(provider: Provider, order: Order) -> tuple[ReviewReason, str] | None:
    """Return why staff decide about the order before it is sent, with a note for them; None if it may be sent."""
    if loss := loss_note(order):
        if is_unconfirmed(provider):
            alert_below_floor(provider)
        return ReviewReason.WOULD_LOSE, loss
    cost = cost_of_order(service=order.service, quantity=order.quantity, service_type=order.service_type)
    if exceeds_limit(provider=provider, cost=cost):  # It must not stop the others.
        return (
            ReviewReason.OVER_LIMIT,
            f"It costs more than {provider.name} may get on a day. Raise the limit to send it.",
        )
    return None


def _claim(provider: Provider, order: Order, mark: Mark) -> Claim | None:
    """Claim the order. Return None if it moved meanwhile, or would pass the provider's daily limit."""
    # The expected cost follows the current rate, not that of the day of the order.
    cost = cost_of_order(service=order.service, quantity=order.quantity, service_type=order.service_type)
    if not take_from_limit(provider=provider, cost=cost):
        return None
    rate, currency = provider.exchange_rate, provider.currency
    claim = _claim_with(provider, order, {"expected_cost": cost, "exchange_rate": rate, "currency": currency}, mark)
    if claim is None:
        give_back_to_limit(provider=provider, cost=cost, sent_at=clock.now())
    return claim


def _claim_with(provider: Provider, order: Order, values: Mapping[str, object], mark: Mark) -> Claim | None:
    now = clock.now()
    token = uuid4().hex
    timeout, lease = add_times(provider)
    # An order sent by then can be answered within the lease.
    not_after = time.monotonic() + lease - timeout
    try:
        move(
            order=order,
            to=Submission.SUBMITTING,
            values={
                **values,
                "claim_token": token,
                "lease_until": now + timedelta(seconds=lease),
                "attempts": _ONE_MORE,
            },
        )
    except OrderMoved:
        return None
    order.submission, order.claim_token = Submission.SUBMITTING, token
    scope = request_scope(provider)
    request_id = _open_request(order, scope) or token if scope else ""
    attempt = insert_row(
        PlacementAttempt(
            order=order,
            token=token,
            started_at=now,
            sent=shown_form(order=order, provider=provider, request_id=request_id),
            request_id=request_id,
            request_scope=scope,
            account=account_of(provider),
            balance_before=provider.balance,
            balance_before_at=provider.balance_checked_at,
        )
    )
    sent = replace(mark, attempt=attempt.pk, token=token, order=order.pk)
    return Claim(order, provider, attempt, not_after, timeout, sent)


def _open_request(order: Order, scope: str) -> str:
    """Return the request id of the last attempt that the provider may have accepted, which it then knows; else ""."""
    if not scope or not order.attempts:
        return ""
    if may_be_after_backup(order):
        return ""  # It may have been accepted under another id that the backup does not have.
    maybe_taken = order.submission_attempts.filter(
        request_scope=scope,
        outcome__in=(AttemptOutcome.SENDING, AttemptOutcome.UNKNOWN, AttemptOutcome.UNCLEAR),
    )
    return maybe_taken.values_list("request_id", flat=True).first() or ""
