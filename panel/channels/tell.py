"""One round of telling: plan, write, send. Any process may run it beside any other."""

from __future__ import annotations

from panel.channels.deliveries import send_due
from panel.channels.messages import compose_due
from panel.channels.notices import plan_notices


def tell_what_is_due() -> int:
    """Return how many messages were delivered."""
    plan_notices()
    compose_due()
    return send_due()
