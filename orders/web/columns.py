"""Columns of lists of orders and drip-feeds."""

from __future__ import annotations

import django_tables2 as tables

from orders.models import DripFeed, Order
from orders.templatetags import orders_display


class StatusColumn(tables.Column):
    """A status as colour, icon and word."""

    def render(self, value: object, bound_column: tables.columns.BoundColumn, record: Order) -> str:
        return orders_display.status_badge(bound_column.accessor.resolve(record))


class DeliveredColumn(tables.Column):
    """How much of an order was delivered. Its rows need `status`, `quantity` and `delivered`."""

    empty_values = ()

    def render(self, record: Order) -> str:
        return orders_display.delivered_progress(record)


class DripStatusColumn(tables.Column):
    """The state of a drip-feed as colour, icon and word."""

    def render(self, record: DripFeed) -> str:
        return orders_display.drip_badge(record.shown_state)


class RunsColumn(tables.Column):
    """How many runs of a drip-feed have begun. Its rows need `state`, `begun` and `runs`."""

    empty_values = ()

    def render(self, record: DripFeed) -> str:
        return orders_display.run_progress(record)
