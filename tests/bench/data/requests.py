"""Attempts, events, and requests for cancels and refills in every state."""

from __future__ import annotations

from orders.models import CancelRequest, Order, OrderEvent, PlacementAttempt, Refill
from orders.states import CancelState, RefillState
from tests.bench.data.orders import LATER
from tests.bench.data.plan import Plan
from tests.bench.data.writer import Writer, by_value, choose, literal

# One order in this many has a request; open orders have more.
CANCEL_EVERY, OPEN_EVERY, REFILL_EVERY = 40, 8, 30
_REFUSAL = '{"error": "Service temporarily closed"}'
_ORDERS = f'"{Order._meta.db_table}" AS o'


def write_attempts(writer: Writer, plan: Plan) -> None:
    """Write an attempt for each order that was sent."""
    outcomes: dict[str | int, str | int] = {"placed": "placed", "refused": "refused", "in_doubt": "unknown"}
    outcome = by_value("o.placement", {**outcomes, "placing": "sending"}, otherwise="'unclear'")
    answered = "o.placement IN ('placed', 'refused', 'queued')"
    writer.insert(
        PlacementAttempt,
        source=f"{_ORDERS} WHERE o.id > {plan.first_order} AND o.claim_token <> ''",
        id=f"o.id - {plan.first_order} + {plan.first_attempt}",
        order_id="o.id",
        token="o.claim_token",
        started_at="COALESCE(o.placed_at, o.created_at)",
        finished_at="CASE WHEN o.placement <> 'placing' THEN COALESCE(o.placed_at, o.created_at) END",
        outcome=outcome,
        phase=f"CASE WHEN {answered} THEN 'answered' WHEN o.placement = 'in_doubt' THEN 'sent' ELSE '' END",
        http_status=f"CASE WHEN {answered} THEN 200 END",
        body=(
            "CASE WHEN o.placement = 'placed' THEN '{\"order\": ' || o.upstream_id || '}' "
            f"WHEN {answered} THEN {literal(_REFUSAL)} ELSE '' END"
        ),
        account="'account' || o.provider_id",
    )


def write_events(writer: Writer, plan: Plan) -> None:
    """Write the timelines. Events of reviews are for staff only."""
    for kind, moment, where, values in (
        ("ordered", "o.created_at", "TRUE", {"text": "'Order received'"}),
        ("placement", "o.placed_at", "o.placed_at IS NOT NULL", {"old": "'placing'", "new": "'placed'"}),
        (
            "status",
            "COALESCE(o.finished_at, o.checked_at)",
            "o.status <> 'pending' AND COALESCE(o.finished_at, o.checked_at) IS NOT NULL",
            {"old": "'pending'", "new": "o.status"},
        ),
        ("refund", "o.finished_at", "o.refunded > 0", {"text": "'Refunded'"}),
        ("review", "o.review_since", "o.review_reason <> ''", {"text": "o.review_note", "is_public": "FALSE"}),
    ):
        writer.insert(
            OrderEvent,
            source=f"{_ORDERS} WHERE o.id > {plan.first_order} AND {where}",
            order_id="o.id",
            created_at=moment,
            kind=literal(kind),
            **values,
        )


def write_requests(writer: Writer, plan: Plan) -> None:
    number = f"(o.id - {plan.first_order})"
    of = f"o.id > {plan.first_order} AND o.placement = 'placed'"
    canceled = choose(f"{number} / {OPEN_EVERY}", [state.value for state in CancelState])
    refilled = choose(f"{number} / {REFILL_EVERY}", [state.value for state in RefillState])
    closed = (
        f"CASE WHEN o.finished_at IS NULL THEN {canceled} WHEN o.status = 'canceled' THEN 'ended' ELSE 'refused' END"
    )
    _write(
        writer,
        CancelRequest,
        f"SELECT o.*, {closed} AS state FROM {_ORDERS} WHERE {of} AND {number} % {OPEN_EVERY} = 7 "
        f"AND (o.finished_at IS NULL OR {number} % {CANCEL_EVERY} = 7)",
        [CancelState.WAITING, CancelState.ASKING],
        CancelState.open(),
    )
    _write(
        writer,
        Refill,
        f"SELECT o.*, {refilled} AS state FROM {_ORDERS} "
        f"WHERE {of} AND o.status = 'completed' AND {number} % {REFILL_EVERY} = 17",
        RefillState.open(),
        RefillState.open(),
        upstream_id="CASE WHEN state IN ('pending', 'in_progress', 'completed') THEN '' || id ELSE '' END",
    )


def _write(
    writer: Writer,
    model: type[CancelRequest | Refill],
    orders: str,
    due: list[str],
    open_states: list[str],
    **values: str,
) -> None:
    asked = "state <> 'waiting'"
    writer.insert(
        model,
        source=f"({orders}) AS r",
        order="id",
        order_id="id",
        provider_id="provider_id",
        state="state",
        created_at="COALESCE(finished_at, checked_at)",
        asked_at=f"CASE WHEN {asked} THEN COALESCE(finished_at, checked_at) END",
        finished_at=f"CASE WHEN state NOT IN ({_listed(open_states)}) THEN COALESCE(finished_at, checked_at) END",
        attempts=f"CASE WHEN {asked} THEN 1 ELSE 0 END",
        next_action_at=f"CASE WHEN state IN ({_listed(due)}) THEN {writer.ahead(LATER)} END",
        note=f"CASE WHEN state IN ('refused', 'rejected') THEN {literal('The provider refused it.')} ELSE '' END",
        **values,
    )


def _listed(states: list[str]) -> str:
    return ", ".join(literal(str(state)) for state in states)
