"""The list of a customer's orders."""

from __future__ import annotations

from typing import Any

import django_tables2 as tables
from django.utils.html import format_html

from orders.models import Order
from panel.tables import AgoColumn, BaseTable, DeliveredColumn, LinkTextColumn, MoneyColumn, StatusColumn


class OrderTable(BaseTable):
    """The order and its service lead to the order's page."""

    order = tables.Column(
        accessor="service_name",
        verbose_name="Order",
        linkify=("order_detail", [tables.A("pk")]),
        # With an id of its own a link keeps the focus when the list refreshes itself.
        attrs={"a": {"id": lambda record: f"order-{record.pk}"}},
    )
    link = LinkTextColumn()
    progress = DeliveredColumn(verbose_name="Delivered", accessor="pk")
    status = StatusColumn()
    charge = MoneyColumn(accessor="net_charge", verbose_name="Paid")
    created = AgoColumn(accessor="created_at", verbose_name="Ordered")

    class Meta(BaseTable.Meta):
        model = Order
        fields = ("order", "status", "progress", "link", "charge", "created")

    def render_order(self, record: Any) -> str:
        return format_html('<span class="row-number">{}</span> {}', record.pk, record.service_name)
