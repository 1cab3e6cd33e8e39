"""The page that the sandbox shows in a browser."""

from __future__ import annotations

from html import escape

from panel.sandbox.amounts import to_text
from panel.sandbox.order import SandboxOrder

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
dl { display: flex; flex-wrap: wrap; gap: 1rem 3rem; }
dt { opacity: .7; } dd { margin: 0; font-size: 1.5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .35rem .75rem; border-bottom: 1px solid #8884; }
td.status { white-space: nowrap; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td.link { overflow-wrap: anywhere; min-width: 12rem; }
"""


def render(
    *, balance: int, services: int, count: int, orders: list[SandboxOrder], names: dict[int, str], now: float
) -> str:
    """Return the HTML: balance (micro-units), counts, and the given orders with their services' names."""
    rows = "".join(_row(order, names.get(order.service, ""), now) for order in orders)
    table = (
        '<div class="scroll"><table><thead><tr><th class="number">Order</th><th>Service</th>'
        '<th>Link</th><th class="number">Quantity</th><th class="number">Charge</th>'
        '<th>Status</th><th class="number">Remains</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
        if rows
        else "<p>No orders yet.</p>"
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Sandbox provider</title><style>{_STYLE}</style></head><body><main>"
        "<h1>Sandbox provider</h1>"
        "<p>A provider to try the panel with. It speaks API v2 at <code>/api/v2</code>; "
        "nothing that is ordered here is delivered anywhere.</p>"
        f"<dl><div><dt>Balance</dt><dd>{to_text(balance)} USD</dd></div>"
        f"<div><dt>Orders</dt><dd>{count}</dd></div>"
        f"<div><dt>Services</dt><dd>{services}</dd></div></dl>"
        f"<h2>Recent orders</h2>{table}</main></body></html>"
    )


def _row(order: SandboxOrder, service: str, now: float) -> str:
    at = order.progress(now)
    return (
        f'<tr><td class="number">{order.id}</td><td>{escape(service)}</td>'
        f'<td class="link">{escape(order.link)}</td><td class="number">{order.quantity}</td>'
        f'<td class="number">{to_text(order.kept(now))}</td><td class="status">{escape(at.status)}</td>'
        f'<td class="number">{at.remains}</td></tr>'
    )
