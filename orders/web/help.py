"""“Something wrong?” on the page of an order: a letter to the owner with the order's facts. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlencode, urlsplit

from django.utils.translation import gettext as _

from orders.models import Order
from orders.states import Status
from panel.lib.formats import zoned_moment_text

# Chats that take a text in their address.
TEXT_CHATS = ("t.me", "wa.me", "api.whatsapp.com")


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that may be wrong, with the addresses that ask the owner about it; "" where the owner has none."""

    name: str
    label: str
    mail_url: str
    chat_url: str


def reasons_of(*, order: Order, email: str, chat: str, now: datetime) -> list[Reason]:
    """Return what may be wrong with the order; nothing if the owner has neither an address nor a chat."""
    if not (email or chat):
        return []
    labels = {
        "nothing": _("Nothing arrived"),
        "dropped": _("It dropped"),
        "link": _("The link is wrong"),
        "other": _("Something else"),
    }
    facts = facts_of(order, now=now)
    found = []
    for name, label in labels.items():
        subject = _("Order %(number)s: %(problem)s") % {"number": order.pk, "problem": label}
        text = f"{subject}\n\n\n\n{facts}"
        found.append(Reason(name, label, mail_link(email, subject, text), chat_link(chat, text)))
    return found


def facts_of(order: Order, *, now: datetime) -> str:
    """Return what the owner needs to know of the order, one fact a line."""
    counts = {
        "delivered": "—" if order.delivered is None else f"{order.delivered:,}",
        "ordered": f"{order.quantity:,}",
    }
    rows = [
        (_("Order"), str(order.pk)),
        (_("Service"), f"{order.service_id} · {order.service_name}"),
        (_("Link"), order.link),
        (_("Status"), _(Status(order.status).label)),
        (_("Delivered"), _("%(delivered)s of %(ordered)s") % counts),
        (_("Start count"), "—" if order.start_count is None else f"{order.start_count:,}"),
        (_("Ordered"), zoned_moment_text(order.created_at)),
        *([(_("Ended"), zoned_moment_text(order.finished_at))] if order.finished_at else []),
        (_("As of"), zoned_moment_text(now)),
    ]
    return "\n".join(f"{label}: {_one_line(value)}" for label, value in rows)


def mail_link(email: str, subject: str, text: str) -> str:
    """Return a `mailto:` address with subject and text; "" without an address. Nothing in them adds another header."""
    if not email:
        return ""
    query = urlencode({"subject": _one_line(subject), "body": text.replace("\n", "\r\n")}, quote_via=quote, safe="")
    return f"mailto:{quote(email, safe='@')}?{query}"


def chat_link(chat: str, text: str) -> str:
    """Return the chat's address, with the text if it is one that takes it; "" without a chat."""
    parts = urlsplit(chat)
    if parts.hostname not in TEXT_CHATS or parts.query:
        return chat
    return f"{chat}?{urlencode({'text': text}, quote_via=quote, safe='')}"


def _one_line(value: str) -> str:
    return " ".join(value.split())
