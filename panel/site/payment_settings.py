"""What happens with customers' payments, which `groups` shows with the settings of the registry."""

from __future__ import annotations

from panel.site.kinds import Flag

HOLD_ORDERS_ON_REVERSAL = Flag(
    "HOLD_ORDERS_ON_REVERSAL",
    "Hold orders after a reversal",
    default=False,
    touches_money=True,
    help="When a gateway takes back a payment, its customer can order nothing, and what was not sent yet waits, until "
    "you settle the reversal or let them order again.",
)
