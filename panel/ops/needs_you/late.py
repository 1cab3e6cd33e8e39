"""Late orders, those of each service as one item: whoever asked the provider finds it after all others."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from orders.admin.late_orders import reasons_of, row_of
from orders.models import LateOrders
from panel.accounts.models import User
from panel.lib import clock
from panel.lib.admin.base import shown_money
from panel.ops.needs_you.kind import Fact, Kind, Line, age_of, rounded
from panel.ops.overview.states import Colour


def _late(user: User) -> QuerySet[LateOrders]:
    return LateOrders.objects.filter(late__gt=0).select_related("provider", "service__figures")


def _line(late: LateOrders) -> Line:
    many = "1 late order" if late.late == 1 else f"{late.late:,} late orders"
    title = format_html("{} of <bdi>{}</bdi>", many, late.service.name)
    about = format_html("<bdi>{}</bdi>, {} on their way", late.provider.name, f"{late.open:,}")
    return Line(title, about, rounded(late.charge), age_of(late.oldest_at))


def _evidence(request: HttpRequest, late: LateOrders) -> list[Fact]:
    row = row_of(late, clock.now())
    why = " ".join(reasons_of(request, [late.provider])[late.provider_id])
    return [
        ("What may explain it", why or "Nothing that the panel knows: the provider answers."),
        ("Usually takes", row.usual),
        ("Late after", f"{row.bound}, {row.basis}" if row.bound else ""),
        ("The oldest is late by", row.late_by),
        ("Before", row.trend),
        ("Not sent yet", f"{late.unsent:,}" if late.unsent else ""),
        ("Customers paid", shown_money(late.charge)),
        ("Orders", format_html('<a href="{}">Open the list</a>', row.orders)),
    ]


def _page(late: Any) -> str:
    return f"{reverse('admin:orders_lateorders_changelist')}?provider={late.provider_id}"


LATE = Kind(
    key="late",
    words=("service with late orders", "services with late orders"),
    model=LateOrders,
    permission="orders.change_order",
    icon="schedule",
    colour=Colour.LOOK,
    moment="since",
    waiting=_late,
    line=_line,
    evidence=_evidence,
    pages=lambda late: ("ask_late",),
    page=_page,
)
