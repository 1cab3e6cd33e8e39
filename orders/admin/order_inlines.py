"""What the page of an order lists below it: each sending, cancel requests, refills and the timeline."""

from __future__ import annotations

from typing import ClassVar

from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.decorators import display

from orders.common.hidden_costs import event_without_costs, sees_costs, without_costs
from orders.models import CancelRequest, Order, OrderEvent, PlacementAttempt, Refill
from orders.states import EventKind, ReviewReason, Status, Submission

_LABELS = {str(value): str(label) for states in (Status, Submission, ReviewReason) for value, label in states.choices}


class ReadOnlyInline(TabularInline):
    """Rows to read. `instead` names what stands in the place of a column that may tell costs."""

    extra = 0
    can_delete = False
    instead: ClassVar[dict[str, str]] = {}

    def get_fields(self, request: HttpRequest, obj: Order | None = None) -> tuple[str, ...]:
        instead = {} if sees_costs(request) else self.instead
        return tuple(instead.get(name, name) for name in self.fields or ())

    def get_readonly_fields(self, request: HttpRequest, obj: Order | None = None) -> tuple[str, ...]:
        return self.get_fields(request, obj)

    @display(description="Note")
    def safe_note(self, row: CancelRequest | Refill) -> str:
        return without_costs(row.note)

    def has_view_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:
        """Allow everybody who may see orders: the rows are part of the order."""
        return request.user.has_perm("orders.view_order")

    def has_add_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:
        return False


class AttemptInline(ReadOnlyInline):
    model = PlacementAttempt
    fields = ("started_at", "finished_at", "outcome", "phase", "http_status", "detail", "body")
    instead: ClassVar[dict[str, str]] = {"detail": "safe_detail", "body": "safe_body"}
    verbose_name_plural = "evidence: each time it was sent"

    @display(description="Detail")
    def safe_detail(self, attempt: PlacementAttempt) -> str:
        return without_costs(attempt.detail)

    @display(description="Body")
    def safe_body(self, attempt: PlacementAttempt) -> str:
        return without_costs(attempt.body)


class CancelInline(ReadOnlyInline):
    model = CancelRequest
    fields = ("created_at", "state", "asked_at", "attempts", "finished_at", "note", "actor")
    instead: ClassVar[dict[str, str]] = {"note": "safe_note"}
    verbose_name_plural = "cancel requests"


class RefillInline(ReadOnlyInline):
    model = Refill
    fields = ("created_at", "state", "asked_at", "upstream_id", "finished_at", "note", "actor")
    instead: ClassVar[dict[str, str]] = {"note": "safe_note"}


class EventInline(ReadOnlyInline):
    model = OrderEvent
    fields = ("created_at", "shown_kind", "change", "text", "actor", "is_public")
    instead: ClassVar[dict[str, str]] = {"text": "safe_text"}
    verbose_name_plural = "timeline"

    @display(description="Text")
    def safe_text(self, event: OrderEvent) -> str:
        return event_without_costs(event)

    @display(description="Kind")
    def shown_kind(self, event: OrderEvent) -> str:
        return str(EventKind(event.kind).label) if event.kind in EventKind else event.kind

    @display(description="Change")
    def change(self, event: OrderEvent) -> str:
        """Return both states by their labels; the amount of a refund is in its text."""
        if event.kind == EventKind.REFUND:
            return "—"
        return " → ".join(_LABELS.get(value, value) for value in (event.old, event.new) if value) or "—"
