"""What the page of an order tells of it beside its numbers. Pure: no database, no clock."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.service_types import SPECS, Kind, Param
from orders.models import Order

# Characters that stand beside their label; longer texts are folded.
SHORT = 80


@dataclass(frozen=True, slots=True)
class OrderDetail:
    """Something that the order's type asked for, as the customer said it. `size` says what is folded away."""

    name: str
    label: str
    text: str
    is_link: bool = False
    size: str = ""


def details_of(order: Order) -> list[OrderDetail]:
    """In the order of the form; what the type no longer knows comes last, under its own name."""
    spec = SPECS.get(order.service_type)
    known = {param.name: param for param in spec.params} if spec else {}
    names = [*(name for name in known if name in order.params), *(name for name in order.params if name not in known)]
    return [
        _told(known.get(name) or Param(name, name.replace("_", " ").capitalize()), str(order.params[name]))
        for name in names
        if order.params[name] not in ("", None)
    ]


def _told(param: Param, text: str) -> OrderDetail:
    lines = text.split("\n")
    size = ""
    if param.kind is Kind.LINES:
        size = f"{len(lines):,} {param.one}{'s' if len(lines) > 1 else ''}"
    elif len(text) > SHORT or len(lines) > 1:
        size = "Show"
    shown = dict(param.choices).get(text, text)
    return OrderDetail(param.name, param.label, shown, is_link=param.kind is Kind.LINK, size=size)
