"""CSV export of the customer's orders, read in short statements so that a slow download holds no transaction."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo

from django.utils import timezone

from orders.models import Order
from orders.web.filters import OrderListing
from panel.lib.csv_files import as_csv
from panel.lib.keyset_pagination import each_row
from panel.lib.money import format_plain

# Rows per statement.
ROWS = 1_000
_COLUMNS = (
    "created_at",
    "finished_at",
    "status",
    "service_id",
    "service_name",
    "link",
    "quantity",
    "remains",
    "start_count",
    "charge",
    "refunded",
    "drip_feed_id",
    "run",
)
HEADER = (
    "order",
    "ordered_at",
    "ended_at",
    "status",
    "service",
    "service_name",
    "link",
    "quantity",
    "delivered",
    "start_count",
    "charge",
    "refunded",
    "paid",
    "drip_feed",
    "run",
)


def export_lines(listing: OrderListing) -> Iterator[str]:
    """Return the CSV lines of all orders of the listing, in its order. Money is in whole units, exactly.

    Times are in the zone that is current now: the lines are written when the request has ended.
    """
    zone = timezone.get_current_timezone()
    rows = listing.rows.only("pk", *_COLUMNS)
    orders = each_row(rows, key=listing.key, descending=listing.descending, size=ROWS)
    return as_csv(HEADER, (_row(order, zone) for order in orders))


def _row(order: Order, zone: tzinfo) -> tuple[str, ...]:
    return (
        str(order.pk),
        _moment(order.created_at, zone),
        _moment(order.finished_at, zone),
        order.get_status_display(),
        str(order.service_id),
        order.service_name,
        order.link,
        str(order.quantity),
        _number(order.delivered),
        _number(order.start_count),
        format_plain(order.charge),
        format_plain(order.refunded),
        format_plain(order.net_charge),
        _number(order.drip_feed_id),
        _number(order.run),
    )


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _moment(value: datetime | None, zone: tzinfo) -> str:
    return "" if value is None else value.astimezone(zone).isoformat(timespec="seconds")
