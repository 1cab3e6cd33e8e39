"""Writing an order's timeline, inside the transaction of the change that the event describes."""

from __future__ import annotations

from orders.models import OrderEvent
from orders.states import EventKind
from panel.accounts.models import User
from panel.lib import clock
from panel.lib.prepared_sql import insert_row


def write_event(
    *,
    order_id: int,
    kind: EventKind,
    text: str = "",
    old: str = "",
    new: str = "",
    actor: User | None = None,
    public: bool = True,
) -> None:
    """Write one event; customers see only `public` ones."""
    insert_row(event_of(order_id=order_id, kind=kind, text=text, old=old, new=new, actor=actor, public=public))


def event_of(
    *,
    order_id: int,
    kind: EventKind,
    text: str = "",
    old: str = "",
    new: str = "",
    actor: User | None = None,
    public: bool = True,
) -> OrderEvent:
    """Return the event unsaved, so that several can be written in one statement."""
    return OrderEvent(
        order_id=order_id,
        created_at=clock.now(),
        kind=kind,
        text=text[:500],
        old=old[:60],
        new=new[:60],
        actor=actor,
        is_public=public,
    )
