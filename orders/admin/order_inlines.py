"""What the page of an order lists below it: each sending, cancel requests, refills and the timeline."""

from __future__ import annotations

from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.decorators import display

from orders.models import CancelRequest, Order, OrderEvent, PlacementAttempt, Refill
from orders.states import EventKind, ReviewReason, Status, Submission

_LABELS = {str(value): str(label) for states in (Status, Submission, ReviewReason) for value, label in states.choices}


class ReadOnlyInline(TabularInline):
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:
        return False


class AttemptInline(ReadOnlyInline):
    model = PlacementAttempt
    fields = ("started_at", "finished_at", "outcome", "phase", "http_status", "detail", "body")
    readonly_fields = fields
    verbose_name_plural = "evidence: each time it was sent"


class CancelInline(ReadOnlyInline):
    model = CancelRequest
    fields = ("created_at", "state", "asked_at", "attempts", "finished_at", "note", "actor")
    readonly_fields = fields
    verbose_name_plural = "cancel requests"


class RefillInline(ReadOnlyInline):
    model = Refill
    fields = ("created_at", "state", "asked_at", "upstream_id", "finished_at", "note", "actor")
    readonly_fields = fields


class EventInline(ReadOnlyInline):
    model = OrderEvent
    fields = ("created_at", "shown_kind", "change", "text", "actor", "is_public")
    readonly_fields = fields
    verbose_name_plural = "timeline"

    @display(description="Kind")
    def shown_kind(self, event: OrderEvent) -> str:
        return str(EventKind(event.kind).label) if event.kind in EventKind else event.kind

    @display(description="Change")
    def change(self, event: OrderEvent) -> str:
        """Return both states by their labels; the amount of a refund is in its text."""
        if event.kind == EventKind.REFUND:
            return "—"
        return " → ".join(_LABELS.get(value, value) for value in (event.old, event.new) if value) or "—"
