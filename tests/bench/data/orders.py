"""Orders in every state that they can be in, and the drip-feeds that some are runs of."""

from __future__ import annotations

from typing import NamedTuple

from catalog.models import Service, UpstreamService
from orders.models import DripFeed, Order, OrderPoll
from orders.states import FINAL, ReviewReason, Status, Submission
from tests.bench.data.customers import KEY_EVERY
from tests.bench.data.plan import DAY, DRIP_AT, DRIP_BEGUN, DRIP_EVERY, Plan
from tests.bench.data.writer import Writer, by_value, choose, literal

LINKS = {
    "https://www.instagram.com/p/": "instagram.com/p/",
    "https://www.tiktok.com/@maria/video/": "tiktok.com/video/",
    "https://youtube.com/watch?v=": "youtube.com/watch?v=",
    "https://t.me/deals/": "t.me/deals/",
}
# One in so many orders is a line of a bulk order.
BULK_EVERY = 50
# Far enough in the future that nothing becomes due while a bench runs.
LATER = DAY
SENT = (Submission.SUBMITTING, Submission.ACCEPTED, Submission.REFUSED, Submission.IN_DOUBT)


class Standing(NamedTuple):
    """A state of orders. `old` and `recent`: how many of a thousand such orders have it."""

    submission: Submission
    status: Status
    old: int
    recent: int
    reason: str = ""


STANDINGS = (
    Standing(Submission.ACCEPTED, Status.COMPLETED, 783, 300),
    Standing(Submission.ACCEPTED, Status.PARTIAL, 100, 50),
    Standing(Submission.ACCEPTED, Status.CANCELED, 59, 29),
    Standing(Submission.REFUSED, Status.CANCELED, 25, 15),
    Standing(Submission.WITHDRAWN, Status.CANCELED, 25, 15),
    Standing(Submission.ACCEPTED, Status.IN_PROGRESS, 1, 240),
    Standing(Submission.ACCEPTED, Status.PROCESSING, 1, 140),
    Standing(Submission.ACCEPTED, Status.PENDING, 1, 110),
    Standing(Submission.QUEUED, Status.PENDING, 0, 40),
    Standing(Submission.SUBMITTING, Status.PENDING, 0, 10),
    Standing(Submission.IN_DOUBT, Status.PENDING, 0, 10),
    Standing(Submission.IN_DOUBT, Status.PENDING, 0, 8, ReviewReason.DOUBT),
    Standing(Submission.IN_DOUBT, Status.PENDING, 0, 4, ReviewReason.DUPLICATE_ID),
    Standing(Submission.QUEUED, Status.PENDING, 0, 8, ReviewReason.UNKNOWN_ERROR),
    Standing(Submission.QUEUED, Status.PENDING, 0, 6, ReviewReason.WOULD_LOSE),
    Standing(Submission.QUEUED, Status.PENDING, 0, 2, ReviewReason.OVER_LIMIT),
    Standing(Submission.ACCEPTED, Status.IN_PROGRESS, 1, 4, ReviewReason.LOST_UPSTREAM),
    Standing(Submission.ACCEPTED, Status.PENDING, 1, 4, ReviewReason.UNKNOWN_STATUS),
    Standing(Submission.ACCEPTED, Status.PARTIAL, 2, 4, ReviewReason.CONTRADICTION),
    Standing(Submission.ACCEPTED, Status.CANCELED, 1, 1, ReviewReason.RECANTED),
)
NOTES = {
    ReviewReason.DOUBT: "No answer within 30 seconds, and the search found nothing.",
    ReviewReason.DUPLICATE_ID: "The provider gave an id that another order has.",
    ReviewReason.UNKNOWN_ERROR: "The provider answered: service temporarily closed.",
    ReviewReason.WOULD_LOSE: "It would now cost more than the customer paid.",
    ReviewReason.OVER_LIMIT: "It costs more than the provider may get on a day.",
    ReviewReason.RECANTED: "It was refunded, and is delivered now.",
    ReviewReason.LOST_UPSTREAM: "The provider no longer knows it.",
    ReviewReason.UNKNOWN_STATUS: "Status: awaiting moderation",
    ReviewReason.CONTRADICTION: "Remains and charge contradict each other.",
}


def write_orders(writer: Writer, plan: Plan) -> None:
    """Write orders by time of creation, so that higher ids are newer."""
    final = f"status IN ({', '.join(literal(status.value) for status in sorted(FINAL))})"
    accepted, queued = "submission = 'placed'", "submission = 'queued'"
    ended_ago = "(CASE WHEN took < age THEN age - took ELSE age / 2 END)"
    in_doubt, unreviewed = "submission = 'in_doubt'", "reason = ''"
    finished = f"CASE WHEN {final} THEN {writer.ago(ended_ago)} END"
    sent = f"(submission IN ({', '.join(literal(one.value) for one in SENT)}) OR reason = 'unknown_error')"
    part = "(1 + n % 3)"
    link = f"(b * 31 % {max(1, plan.orders // 10)})"
    writer.insert(
        Order,
        source=f"({_standing(writer, plan)}) AS o",
        order="n",
        id=f"{plan.first_order} + n",
        customer_id=f"{plan.first_user} + customer",
        service_id=f"{plan.first_service} + service",
        service_name="name",
        service_type="type",
        link=f"{choose('b + b / 20', tuple(LINKS))} || {link}",
        link_key=f"{choose('b + b / 20', tuple(LINKS.values()))} || {link}",
        quantity="quantity",
        price="price",
        charge="charge",
        refunded=(
            f"CASE WHEN status = 'canceled' THEN charge WHEN status = 'partial' AND {unreviewed} "
            f"THEN charge * {part} / 4 ELSE 0 END"
        ),
        expected_cost="expected",
        request_key="'bench' || n",
        api_key_ref=(
            f"CASE WHEN n % 8 = 7 AND customer % {KEY_EVERY} = 1 AND customer + {KEY_EVERY} <= {plan.customers} "
            f"THEN {plan.first_key} + 3 + customer / {KEY_EVERY} * 2 END"
        ),
        is_bulk=f"n % {BULK_EVERY} = 0 AND drip = 0 AND n % 8 <> 7",
        drip_feed_id=f"CASE WHEN drip > 0 THEN {plan.first_drip} + drip END",
        run="CASE WHEN drip > 0 THEN n - b + 1 END",
        created_at=writer.ago("age"),
        provider_id="provider",
        upstream_service_id="external_id",
        currency=f"CASE WHEN {sent} THEN 'USD' ELSE '' END",
        submission="submission",
        queued_at=writer.ago("CASE WHEN age > 3600 THEN 3600 ELSE age END"),
        next_action_at=(
            f"CASE WHEN ({queued} OR {in_doubt}) AND {unreviewed} THEN {writer.ahead(f'{LATER} + n % {DAY}')} END"
        ),
        attempts=f"CASE WHEN {sent} THEN 1 ELSE 0 END",
        claim_token=f"CASE WHEN {sent} THEN 'bench' || n ELSE '' END",
        lease_until=f"CASE WHEN submission = 'placing' THEN {writer.ahead(LATER)} END",
        doubt_until=f"CASE WHEN {in_doubt} THEN {writer.ahead(LATER)} END",
        accepted_attempt_id=f"CASE WHEN {accepted} THEN {plan.first_attempt} + n END",
        upstream_id=f"CASE WHEN {accepted} THEN '' || n END",
        upstream_number=f"CASE WHEN {accepted} THEN n END",
        accepted_at=f"CASE WHEN {accepted} THEN {writer.ago('age - 5')} END",
        status="status",
        start_count=f"CASE WHEN {accepted} THEN n * 37 % 50000 END",
        remains=(
            f"CASE WHEN NOT {accepted} THEN NULL WHEN status = 'completed' THEN 0 WHEN status = 'partial' "
            f"THEN quantity * {part} / 4 WHEN status = 'in_progress' THEN quantity / 2 ELSE quantity END"
        ),
        upstream_charge=(
            f"CASE WHEN NOT {accepted} OR n % 3 = 0 THEN NULL WHEN status = 'canceled' THEN 0 "
            f"WHEN status = 'partial' THEN expected * (4 - {part}) / 4 ELSE expected END"
        ),
        finished_at=finished,
        next_poll_at=f"CASE WHEN {accepted} AND NOT {final} THEN {writer.ahead(f'{LATER} + n % {DAY}')} END",
        checked_at=f"CASE WHEN {accepted} THEN COALESCE({finished}, {writer.ago('60 + n % 60')}) END",
        review_reason="reason",
        review_since=f"CASE WHEN reason <> '' THEN {writer.ago('age / 2')} END",
        review_note=by_value("reason", dict(NOTES), otherwise="''"),
        closed_review="CASE WHEN status = 'completed' AND n % 500 = 1 THEN 'lost_upstream: found' ELSE '' END",
    )


def write_polls(writer: Writer) -> None:
    """Write a poll for each order that is followed. Call it after `write_orders`."""
    writer.insert(
        OrderPoll,
        source=f'"{Order._meta.db_table}" WHERE next_poll_at IS NOT NULL',
        order="id",
        order_id="id",
        provider_id="provider_id",
        due_at="next_poll_at",
        checked_at="checked_at",
        unchanged="id % 20",
    )


def write_drips(writer: Writer, plan: Plan) -> None:
    """Write drip-feeds. One in three is running, one has completed and one was stopped."""
    if not plan.drips:
        return
    ended, stopped = "n % 3 = 1", "n % 3 = 2"
    runs = f"CASE WHEN {ended} THEN {DRIP_BEGUN} ELSE 5 END"
    source = f"(SELECT n, n * {DRIP_EVERY} + {DRIP_AT} AS b FROM {writer.numbers(plan.drips)}) AS t"
    sold = _sold(writer, plan, f"SELECT t.*, {_bought(plan)} FROM {source}")
    writer.insert(
        DripFeed,
        source=f"({sold}) AS d",
        order="n",
        id=f"{plan.first_drip} + n",
        customer_id=f"{plan.first_user} + customer",
        service_id=f"{plan.first_service} + service",
        service_name="name",
        link=f"{choose('b + b / 20', tuple(LINKS))} || (b * 31 % {max(1, plan.orders // 10)})",
        quantity="quantity",
        runs=runs,
        interval="60",
        price="price",
        run_charge="charge",
        charge=f"charge * ({runs})",
        refunded=f"CASE WHEN {stopped} THEN charge * {5 - DRIP_BEGUN} ELSE 0 END",
        begun=str(DRIP_BEGUN),
        state=f"CASE WHEN {ended} THEN 'completed' WHEN {stopped} THEN 'stopped' ELSE 'running' END",
        next_run_at=f"CASE WHEN NOT ({ended} OR {stopped}) THEN {writer.ahead(LATER)} END",
        created_at=writer.ago(f"{plan.age('b', plan.orders)} + 60"),
        ended_at=f"CASE WHEN {ended} OR {stopped} THEN {writer.ago(plan.age(f'(b + {DRIP_BEGUN})', plan.orders))} END",
    )


def _bought(plan: Plan) -> str:
    """Return the columns that depend on `b`, the number that all runs of a drip-feed share."""
    return f"{plan.customer('b')} AS customer, {plan.service('b')} AS service, {plan.quantity('b')} AS bought"


def _sold(writer: Writer, plan: Plan, orders: str) -> str:
    services, upstream = Service._meta.db_table, UpstreamService._meta.db_table
    return (
        "SELECT t.*, s.name, s.price, u.type, u.external_id, u.provider_id AS provider, "
        "CASE WHEN u.type = 'package' THEN 1 ELSE bought END AS quantity, "
        "CASE WHEN u.type = 'package' THEN s.price ELSE s.price * bought / 1000 END AS charge, "
        "CASE WHEN u.type = 'package' THEN s.cost ELSE s.cost * bought / 1000 END AS expected "
        f"FROM ({orders}) AS t JOIN {services} s ON s.id = {plan.first_service} + t.service "
        f"JOIN {upstream} u ON u.id = s.upstream_id"
    )


def _standing(writer: Writer, plan: Plan) -> str:
    """Return the select of orders, each with its sale and one of STANDINGS."""
    run = f"n % {DRIP_EVERY} BETWEEN {DRIP_AT} AND {DRIP_AT + DRIP_BEGUN - 1}"
    drip = f"CASE WHEN {run} AND n / {DRIP_EVERY} BETWEEN 1 AND {plan.drips} THEN n / {DRIP_EVERY} ELSE 0 END"
    numbered = f"SELECT n, {drip} AS drip FROM {writer.numbers(plan.orders)}"
    begun_as = f"CASE WHEN drip > 0 THEN n - n % {DRIP_EVERY} + {DRIP_AT} ELSE n END"
    based = f"SELECT n, drip, {begun_as} AS b FROM ({numbered}) AS x"
    orders = (
        f"SELECT n, drip, b, {_bought(plan)}, {plan.age('n', plan.orders)} AS age, 600 + n * 3571 % {DAY} AS took, "
        # The first customer has every twentieth order; this gives them orders in all states.
        "(n / 20 * 389 + n % 20 * 53) % 1000 AS slot, "
        f"CASE WHEN n > {plan.orders - plan.recent} THEN 1 ELSE 0 END AS is_recent FROM ({based}) AS y"
    )
    return (
        f"SELECT sold.*, p.submission, p.status, p.reason FROM ({_sold(writer, plan, orders)}) AS sold "
        f"JOIN ({_slots()}) AS p ON p.slot = sold.slot AND p.is_recent = sold.is_recent"
    )


def _slots() -> str:
    """Return the states of a thousand old orders and of a thousand recent ones."""
    rows = []
    for is_recent in (0, 1):
        standings = [one for one in STANDINGS for _ in range(one.recent if is_recent else one.old)]
        assert len(standings) == 1_000
        rows += [
            f"({slot}, {is_recent}, '{one.submission.value}', '{one.status.value}', '{one.reason}')"
            for slot, one in enumerate(standings)
        ]
    return (
        "SELECT column1 AS slot, column2 AS is_recent, column3 AS submission, column4 AS status, column5 AS reason "
        f"FROM (VALUES {', '.join(rows)}) AS v"
    )
