"""End visits of customers' pages, each once, and log it. They begin in panel/accounts/view_as."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpRequest

from panel.accounts.models import Visit
from panel.activity.record import record
from panel.lib import clock

# What the session of the staff holds under this name is the number of the visit, and nothing else of it.
KEPT = "visit"


def visit_id_of(request: HttpRequest) -> int:
    """Return the number of the session's visit, which may be over; 0 without one."""
    return int(request.session.get(KEPT, 0))


def end_visit(request: HttpRequest, *, how: Visit.End) -> None:
    """End the visit of this session, if it has one."""
    kept = request.session.pop(KEPT, None)
    for visit in Visit.objects.filter(pk=kept, ended_at=None).select_related("customer"):
        end(visit, how=how)


def end_visits_of(*, staff_id: int) -> None:
    """End all visits of a person whose sessions end, in whatever session."""
    for visit in Visit.objects.filter(staff=staff_id, ended_at=None, until__gt=clock.now()).select_related("customer"):
        end(visit, how=Visit.End.SESSIONS)


def end(visit: Visit, *, how: Visit.End) -> None:
    """End the visit and log it, unless it was ended before. One whose time was over ended by that."""
    now = clock.now()
    how = Visit.End.TIME if now >= visit.until else how
    with transaction.atomic():
        if Visit.objects.filter(pk=visit.pk, ended_at=None).update(ended_at=now, how_it_ended=how):
            message = f"Viewing the customer's pages ended: {how.label}."
            record(actor_id=visit.staff_id, objects=[visit.customer], message=message)
