"""The table of a customer's orders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import django_tables2 as tables
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from catalog.platform_marks import mark_of, platform_of_order
from orders.models import Order
from orders.web.columns import CountColumn, MiddleColumn, PickColumn, StatusColumn
from orders.web.row_menus import RowMenu
from panel.lib.tables import AgoColumn, BaseTable, MoneyColumn

# Columns whose cells change while an order runs.
LIVE_COLUMNS = ("status", "progress", "charge")


def _cell_id(name: str) -> dict[str, object]:
    """Return attributes that give each cell of the column its own id, for live updates."""
    return {"td": {"id": lambda record: f"order-{record.pk}-{name}"}}


class OrderTable(BaseTable):
    """Orders, each linked to its page and with a menu. The checkbox selects the order for the form "bulk".

    `menus` are needed only where whole rows are shown.
    """

    pick = PickColumn(accessor="pk", form="bulk")
    order = tables.Column(accessor="service_name", verbose_name=_("Order"))
    status = StatusColumn(verbose_name=_("Status"), attrs=_cell_id("status"))
    progress = CountColumn(verbose_name=_("Delivered"), accessor="pk", attrs=_cell_id("progress"))
    link = MiddleColumn(verbose_name=_("Link"))
    charge = MoneyColumn(accessor="net_charge", verbose_name=_("Paid"), attrs=_cell_id("charge"))
    created = AgoColumn(accessor="created_at", verbose_name=_("Ordered"))
    menu = tables.Column(accessor="pk", verbose_name=_("What to do"))

    class Meta(BaseTable.Meta):
        model = Order
        template_name = "tables/rows.html"
        attrs = {"class": "orders"}
        fields = ("pick", "order", "status", "progress", "link", "charge", "created", "menu")

    def __init__(self, rows: Iterable[Order], *, menus: Mapping[int, RowMenu] | None = None) -> None:
        super().__init__(rows)
        self.menus = menus or {}

    def render_order(self, record: Order) -> SafeString:
        run: Any = ""
        if record.drip_feed_id:
            text = gettext("Run %(run)s of drip-feed %(number)s") % {"run": record.run, "number": record.drip_feed_id}
            run = format_html('<span class="row-note">{}</span>', text)
        return format_html(
            '<span class="what">{mark}<span><a href="{url}" title="{name}"><span class="row-number">{pk}</span> '
            "<bdi>{name}</bdi></a>{run}</span></span>",
            mark=mark_of(platform_of_order(record)),
            url=reverse("order_detail", args=[record.pk]),
            pk=record.pk,
            name=record.service_name,
            run=run,
        )

    def render_menu(self, record: Order) -> str:
        return render_to_string("orders/_row_menu.html", {"menu": self.menus[record.pk]})

    def live_cells(self) -> Iterator[tuple[str, str]]:
        """Yield (id, content) of each cell that changes while orders run."""
        for row in self.rows:
            for name in LIVE_COLUMNS:
                yield f"order-{row.record.pk}-{name}", row.get_cell(name)
