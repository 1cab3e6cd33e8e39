"""What happened to an order, for staff: events, sendings, requests, money and acts of staff as one list.

Each source is one statement, bounded by the length of the page. Without the right to see costs, texts that may tell
them are hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet

from billing.models import Entry
from orders.common.hidden_costs import event_without_costs, without_costs
from orders.models import CancelRequest, Order, OrderEvent, PlacementAttempt, Refill
from orders.review.evidence import phase_badge
from orders.states import AttemptOutcome, CancelState, EventKind, RefillState, ReviewReason, Status, Submission
from panel.lib.admin.base import shown_money

# Lines of a page, and the most statements read of each source.
LINES = 40
# An act of staff and the event that it wrote are this close; the event says more.
SAME_ACT = timedelta(seconds=3)

SHOWS: dict[str, str] = {"": "All", "sent": "Sent and answered", "money": "Money", "staff": "Staff"}

_WORDS = {str(value): str(label) for states in (Status, Submission, ReviewReason) for value, label in states.choices}
_EVENT_LOOKS = {
    EventKind.ORDERED: ("is-quiet", "list_alt"),
    EventKind.SUBMISSION: ("is-quiet", "send"),
    EventKind.STATUS: ("is-info", "play_circle"),
    EventKind.REFUND: ("is-quiet", "payments"),
    EventKind.REVIEW: ("is-look", "gavel"),
    EventKind.CANCEL: ("is-quiet", "cancel"),
    EventKind.REFILL: ("is-quiet", "sync"),
    EventKind.OFFER: ("is-info", "add_shopping_cart"),
    EventKind.STAFF: ("is-quiet", "person"),
}
_STATUS_LOOKS = {
    Status.COMPLETED: ("is-fine", "check_circle"),
    Status.PARTIAL: ("is-look", "incomplete_circle"),
    Status.CANCELED: ("is-quiet", "cancel"),
}
_OUTCOME_LOOKS = {
    AttemptOutcome.ACCEPTED: ("is-fine", "send"),
    AttemptOutcome.SENDING: ("is-info", "send"),
    AttemptOutcome.NOT_SENT: ("is-look", "schedule"),
    AttemptOutcome.REFUSED: ("is-broken", "block"),
    AttemptOutcome.TAUGHT: ("is-broken", "block"),
}


class Sent(NamedTuple):
    """One sending: `form` as `shown_form` keeps it, None if it was not kept; and the answer in the provider's words."""

    form: dict[str, Any] | None
    answer: str
    detail: str
    body: str
    is_newest: bool


@dataclass(slots=True)
class Line:
    """One line. `amount` is what it moved in the customer's wallet, in micro-units. `note` is said below the text."""

    at: datetime
    key: tuple[str, int]
    tone: str
    icon: str
    text: str
    by: str = ""
    change: str = ""
    note: str = ""
    amount: int | None = None
    is_public: bool = False
    sent: Sent | None = None
    actor_id: int | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Timeline:
    """The lines of a page, the newest first. `older` is where the next page begins, None if there is none."""

    lines: list[Line]
    older: datetime | None


@dataclass(frozen=True, slots=True)
class Reader:
    """What whoever reads the timeline may see."""

    costs: bool
    entries: bool

    def words(self, text: str) -> str:
        """Return a text that the panel did not write, or what stands in its place."""
        return text if self.costs else without_costs(text)


def timeline_of(*, order: Order, reader: Reader, show: str = "", before: datetime | None = None) -> Timeline:
    """Return LINES lines of the order before that moment. `show` is one of SHOWS; others mean all."""
    found: list[Line] = []
    is_cut = False
    for read in _sources(order, reader, show):
        lines = read(before)
        is_cut = is_cut or len(lines) > LINES
        found += lines
    found.sort(key=lambda line: (line.at, line.key), reverse=True)
    kept = _without_doubles(found)
    page = kept[:LINES]
    # Lines of one moment stay together: the next page begins before them.
    page += [line for line in kept[LINES:] if line.at == page[-1].at]
    return Timeline(page, page[-1].at if page and (is_cut or len(kept) > len(page)) else None)


def _sources(order: Order, reader: Reader, show: str) -> Iterator[Callable[[datetime | None], list[Line]]]:
    is_all = show not in SHOWS or not show
    yield partial(_events, order, reader, "" if is_all else show)
    if is_all or show == "sent":
        yield partial(_attempts, order, reader)
    if is_all or show in ("sent", "staff"):
        by_staff = show == "staff"
        yield partial(_requests, order, reader, CancelRequest, "cancel", by_staff)
        yield partial(_requests, order, reader, Refill, "refill", by_staff)
    if reader.entries and (is_all or show == "money"):
        yield partial(_entries, order)
    if is_all or show == "staff":
        yield partial(_acts, order, reader)


def _last(rows: QuerySet[Any], column: str, before: datetime | None) -> QuerySet[Any]:
    earlier = rows if before is None else rows.filter(**{f"{column}__lt": before})
    return earlier.order_by(f"-{column}", "-pk")[: LINES + 1]


# -- the sources -------------------------------------------------------------------------------------


def _events(order: Order, reader: Reader, show: str, before: datetime | None) -> list[Line]:
    events = OrderEvent.objects.filter(order=order).select_related("actor")
    if show == "sent":
        events = events.filter(kind__in=(EventKind.SUBMISSION, EventKind.STATUS))
    elif show == "money":
        events = events.filter(kind=EventKind.REFUND)
    elif show == "staff":
        events = events.exclude(actor=None).exclude(actor=order.customer_id)
    found = _last(events, "created_at", before)
    return [_event(event, reader) for event in found if not _is_told(event, order)]


def _is_told(event: OrderEvent, order: Order) -> bool:
    """Return True if a line of another source says the same and more."""
    if event.kind in (EventKind.CANCEL, EventKind.REFILL):
        return event.actor_id is not None  # Whoever asked is told with the request.
    is_sending = event.kind == EventKind.SUBMISSION and event.new == Submission.ACCEPTED and event.actor_id is None
    return is_sending and order.accepted_attempt_id is not None


def _event(event: OrderEvent, reader: Reader) -> Line:
    tone, icon = _EVENT_LOOKS.get(EventKind(event.kind), ("is-quiet", "info")) if event.kind in EventKind else ("", "")
    if event.kind == EventKind.STATUS and event.new in _STATUS_LOOKS:
        tone, icon = _STATUS_LOOKS[Status(event.new)]
    change = "" if event.kind in (EventKind.REFUND, EventKind.ORDERED) else _change(event)
    text = event.text if reader.costs else event_without_costs(event)
    return Line(
        at=event.created_at,
        key=("refund" if event.kind == EventKind.REFUND else "event", event.pk),
        tone=tone or "is-quiet",
        icon=icon or "info",
        text=text or (EventKind(event.kind).label if event.kind in EventKind else event.kind),
        by=str(event.actor) if event.actor_id else "",
        change=change,
        is_public=event.is_public,
        actor_id=event.actor_id,
    )


def _change(event: OrderEvent) -> str:
    return " → ".join(_WORDS.get(value, value) for value in (event.old, event.new) if value)


def _attempts(order: Order, reader: Reader, before: datetime | None) -> list[Line]:
    attempts = list(_last(PlacementAttempt.objects.filter(order=order), "started_at", before))
    newest = attempts[0].pk if attempts and before is None else None
    return [_attempt(attempt, order, reader, is_newest=attempt.pk == newest) for attempt in attempts]


def _attempt(attempt: PlacementAttempt, order: Order, reader: Reader, *, is_newest: bool) -> Line:
    tone, icon = _OUTCOME_LOOKS.get(AttemptOutcome(attempt.outcome), ("is-look", "help"))
    there = order.provider.name
    if attempt.pk == order.accepted_attempt_id:
        tone, icon, text = "is-fine", "send", f"Sent to {there}, accepted as {order.upstream_id}"
    elif attempt.outcome in (AttemptOutcome.NOT_SENT, AttemptOutcome.AFTER_BACKUP):
        text = str(AttemptOutcome(attempt.outcome).label)
    else:
        text = f"Sent to {there}: {AttemptOutcome(attempt.outcome).label}"
    return Line(
        at=attempt.started_at,
        key=("attempt", attempt.pk),
        tone=tone,
        icon=icon,
        text=text,
        sent=Sent(
            form=attempt.sent,
            answer=_answer(attempt),
            detail=reader.words(attempt.detail),
            body=reader.words(attempt.body),
            is_newest=is_newest,
        ),
    )


def _answer(attempt: PlacementAttempt) -> str:
    """Return "Answered 200 in 0.41 s", or how far the request came."""
    if attempt.outcome == AttemptOutcome.SENDING and attempt.finished_at is None:
        return "No answer yet"
    came = f"Answered {attempt.http_status}" if attempt.http_status else phase_badge(attempt.phase).words
    if attempt.finished_at is None:
        return came
    return f"{came} in {(attempt.finished_at - attempt.started_at).total_seconds():.2f} s"


def _requests(
    order: Order, reader: Reader, model: Any, what: str, by_staff: bool, before: datetime | None
) -> list[Line]:
    requests = model.objects.filter(order=order).select_related("actor")
    if by_staff:
        requests = requests.exclude(actor=None).exclude(actor=order.customer_id)
    states: Any = CancelState if model is CancelRequest else RefillState
    icon = "cancel" if model is CancelRequest else "sync"
    return [
        Line(
            at=one.created_at,
            key=(what, one.pk),
            tone="is-look" if one.state in states.open() else "is-quiet",
            icon=icon,
            text=f"{what.capitalize()} requested: {states(one.state).label}",
            by=str(one.actor) if one.actor_id else "",
            note=_request_note(one, reader),
            actor_id=one.actor_id,
        )
        for one in _last(requests, "created_at", before)
    ]


def _request_note(request: CancelRequest | Refill, reader: Reader) -> str:
    upstream_id = getattr(request, "upstream_id", "")
    times = f"sent {request.attempts} times" if request.attempts > 1 else "sent once" if request.attempts else ""
    parts = (times, f"its id there is {upstream_id}" if upstream_id else "", reader.words(request.note))
    said = ", ".join(part for part in parts if part)
    return said[:1].upper() + said[1:]


def _entries(order: Order, before: datetime | None) -> list[Line]:
    entries = Entry.objects.filter(order_ref=order.pk).select_related("actor")
    return [
        Line(
            at=entry.created_at,
            key=("entry", entry.pk),
            tone="is-quiet",
            icon="account_balance_wallet",
            text="Charged" if entry.kind == Entry.Kind.ORDER else str(Entry.Kind(entry.kind).label),
            by=str(entry.actor) if entry.actor_id and entry.actor_id != order.customer_id else "",
            note=f"Balance {shown_money(entry.balance_after - entry.amount)} to {shown_money(entry.balance_after)}",
            amount=entry.amount,
            actor_id=entry.actor_id,
        )
        for entry in _last(entries, "created_at", before)
    ]


def _acts(order: Order, reader: Reader, before: datetime | None) -> list[Line]:
    kind = ContentType.objects.get_for_model(Order)
    acts = LogEntry.objects.filter(content_type=kind, object_id=str(order.pk)).select_related("user")
    return [
        Line(
            at=act.action_time,
            key=("act", act.pk),
            tone="is-quiet",
            icon="person",
            text=reader.words(act.get_change_message()) or "Changed",
            by=str(act.user),
            actor_id=act.user_id,
        )
        for act in _last(acts, "action_time", before)
    ]


def _without_doubles(lines: list[Line]) -> list[Line]:
    """Leave out what another line tells as well: acts that wrote an event, and why an entry refunded."""
    told = [line for line in lines if line.actor_id and line.key[0] != "act"]
    entries = [line for line in lines if line.amount is not None and line.amount > 0]
    kept = []
    for line in lines:
        if line.key[0] == "act" and any(_is_same(line, one) for one in told):
            continue
        if line.key[0] == "refund" and (entry := next((one for one in entries if _is_same(line, one)), None)):
            entry.note, entry.is_public = f"{line.text}. {entry.note}", line.is_public
            continue
        kept.append(line)
    return kept


def _is_same(one: Line, other: Line) -> bool:
    return one.actor_id == other.actor_id and abs(one.at - other.at) < SAME_ACT
