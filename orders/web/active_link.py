"""A customer's running order for a link: providers often refuse a second one until the first ends."""

from __future__ import annotations

from orders.models import Order
from orders.selectors import orders_of
from orders.states import FINAL, DripState
from panel.accounts.models import User
from panel.lib.links.keys import link_keys
from panel.lib.links.texts import trim

# Orders of one link that are checked: a customer may have thousands.
MAX_CHECKED = 50


def running_for_link(*, customer: User, link: str) -> Order | None:
    """Return the latest order for the link that has not ended, or whose drip-feed has runs to come. One query.

    `link` is as typed; return None if nothing is.
    """
    if not trim(link):
        return None
    columns = ("status", "service", "service_name", "drip_feed__state")
    latest = (
        orders_of(customer=customer).filter(link_key__in=link_keys(link)).select_related("drip_feed").only(*columns)
    )
    return next((order for order in latest[:MAX_CHECKED] if _is_running(order)), None)


def _is_running(order: Order) -> bool:
    drip = order.drip_feed
    return order.status not in FINAL or (drip is not None and drip.state == DripState.RUNNING)
