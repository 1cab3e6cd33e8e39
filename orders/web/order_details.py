"""The type's own fields on the page of an order. Pure: no database, no clock."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from catalog.service_types import SPECS, Kind, Param
from orders.models import Order

# Characters of a text shown beside its label; longer ones are folded.
SHORT = 80


@dataclass(frozen=True, slots=True)
class OrderDetail:
    """A field of the order's type with the customer's text. `size` is the label of a folded text."""

    name: str
    label: str
    text: str
    is_link: bool = False
    size: str = ""


def details_of(order: Order) -> list[OrderDetail]:
    """Return the details in the order of the form; fields that the type no longer has come last."""
    spec = SPECS.get(order.service_type)
    known = {param.name: param for param in spec.params} if spec else {}
    names = [*(name for name in known if name in order.params), *(name for name in order.params if name not in known)]
    return [
        _detail(known.get(name) or Param(name, name.replace("_", " ").capitalize()), str(order.params[name]))
        for name in names
        if order.params[name] not in ("", None)
    ]


def _detail(param: Param, text: str) -> OrderDetail:
    lines = text.split("\n")
    size = ""
    if param.kind is Kind.LINES:
        size = ngettext("%(count)s line", "%(count)s lines", len(lines)) % {"count": f"{len(lines):,}"}
    elif len(text) > SHORT or len(lines) > 1:
        size = _("Show")
    chosen = dict(param.choices).get(text)
    shown = _(chosen) if chosen else text
    return OrderDetail(param.name, _(param.label), shown, is_link=param.kind is Kind.LINK, size=size)
