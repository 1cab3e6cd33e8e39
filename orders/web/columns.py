"""Columns of lists of orders and drip-feeds."""

from __future__ import annotations

from typing import Any

import django_tables2 as tables

from orders.templatetags import orders_display


class StatusColumn(tables.Column):
    """A status as colour, icon and word."""

    def render(self, value: Any, bound_column: tables.columns.BoundColumn, record: Any) -> str:
        return orders_display.status_badge(bound_column.accessor.resolve(record))


class DeliveredColumn(tables.Column):
    """How much of an order was delivered. Its row must have `status`, `quantity` and `delivered`."""

    empty_values = ()

    def render(self, record: Any) -> str:
        return orders_display.delivered_progress(record)


class DripStatusColumn(tables.Column):
    """The state of a drip-feed as colour, icon and word."""

    def render(self, value: Any, bound_column: tables.columns.BoundColumn, record: Any) -> str:
        return orders_display.drip_badge(bound_column.accessor.resolve(record))


class RunsColumn(tables.Column):
    """How many runs of a drip-feed have begun. Its row must have `state`, `begun` and `runs`."""

    empty_values = ()

    def render(self, record: Any) -> str:
        return orders_display.run_progress(record)
