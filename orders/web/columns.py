"""Columns of lists of orders and drip-feeds."""

from __future__ import annotations

from typing import Any

import django_tables2 as tables
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from orders.models import DripFeed, Order
from orders.templatetags import orders_display
from panel.lib.templatetags import display


class StatusColumn(tables.Column):
    """A status as colour, icon and word."""

    def render(self, value: object, bound_column: tables.columns.BoundColumn, record: Order) -> str:
        return orders_display.status_badge(bound_column.accessor.resolve(record))


class DeliveredColumn(tables.Column):
    """How much of an order was delivered. Its rows need `status`, `quantity` and `delivered`."""

    empty_values = ()

    def render(self, record: Order) -> str:
        return orders_display.delivered_progress(record)


class PickColumn(tables.Column):
    """A checkbox that selects the row for the form of this id; its head selects all rows of the page."""

    def __init__(self, *args: Any, form: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.form = form

    @property
    def header(self) -> SafeString:
        return format_html(
            '<label class="pick js-only"><input class="form-check-input" type="checkbox" data-choose-all '
            'aria-label="{}"></label>',
            _("Choose all on this page"),
        )

    def render(self, value: int) -> SafeString:
        return format_html(
            '<label class="pick"><input class="form-check-input" type="checkbox" name="order" value="{}" form="{}" '
            'autocomplete="off" aria-label="{}"></label>',
            value,
            self.form,
            _("Choose order %(number)s") % {"number": value},
        )


class CountColumn(tables.Column):
    """How much of an order was delivered, in one line; a bar shows only what runs or ended short.

    Its rows need `status`, `quantity`, `delivered` and `service_type`.
    """

    empty_values = ()

    def render(self, record: Order) -> SafeString:
        return orders_display.delivered_count(record)


class MiddleColumn(tables.Column):
    """A customer's link in one line, shortened in the middle: links of one site differ at their end."""

    def render(self, value: str) -> SafeString:
        return format_html('<bdi dir="ltr">{}</bdi>', display.middle(value, 24))


class DripStatusColumn(tables.Column):
    """The state of a drip-feed as colour, icon and word."""

    def render(self, record: DripFeed) -> str:
        return orders_display.drip_badge(record.shown_state)


class RunsColumn(tables.Column):
    """How many runs of a drip-feed have begun. Its rows need `state`, `begun` and `runs`."""

    empty_values = ()

    def render(self, record: DripFeed) -> str:
        return orders_display.run_progress(record)
