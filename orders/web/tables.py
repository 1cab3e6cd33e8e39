"""The table of a customer's orders."""

from __future__ import annotations

from collections.abc import Iterator

import django_tables2 as tables
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orders.models import Order
from orders.web.columns import DeliveredColumn, StatusColumn
from panel.lib.tables import AgoColumn, BaseTable, LinkTextColumn, MoneyColumn

# Columns whose cells change while an order runs.
LIVE_COLUMNS = ("status", "progress", "charge")


def _cell_id(name: str) -> dict[str, object]:
    """Return attributes that give each cell of the column its own id, for live updates."""
    return {"td": {"id": lambda record: f"order-{record.pk}-{name}"}}


class OrderTable(BaseTable):
    """Orders, each linked to its page. The checkbox selects the order for the form "bulk"."""

    order = tables.Column(accessor="service_name", verbose_name=_("Order"))
    link = LinkTextColumn(verbose_name=_("Link"))
    progress = DeliveredColumn(verbose_name=_("Delivered"), accessor="pk", attrs=_cell_id("progress"))
    status = StatusColumn(verbose_name=_("Status"), attrs=_cell_id("status"))
    charge = MoneyColumn(accessor="net_charge", verbose_name=_("Paid"), attrs=_cell_id("charge"))
    created = AgoColumn(accessor="created_at", verbose_name=_("Ordered"))

    class Meta(BaseTable.Meta):
        model = Order
        fields = ("order", "status", "progress", "link", "charge", "created")
        empty_text = _("No orders match.")

    def render_order(self, record: Order) -> str:
        run = ""
        if record.drip_feed_id:
            run = gettext("Run %(run)s of drip-feed %(number)s") % {"run": record.run, "number": record.drip_feed_id}
        return format_html(
            '<span class="order-cell"><label class="pick"><input class="form-check-input" type="checkbox" name="order" '
            'value="{pk}" form="bulk" aria-label="{choose}"></label>'
            '<span><a href="{url}"><span class="row-number">{pk}</span> {name}</a>{note}</span></span>',
            pk=record.pk,
            choose=gettext("Choose order %(number)s") % {"number": record.pk},
            url=reverse("order_detail", args=[record.pk]),
            name=record.service_name,
            note=format_html('<span class="row-note">{}</span>', run) if run else "",
        )

    def live_cells(self) -> Iterator[tuple[str, str]]:
        """Yield (id, content) of each cell that changes while orders run."""
        for row in self.rows:
            for name in LIVE_COLUMNS:
                yield f"order-{row.record.pk}-{name}", row.get_cell(name)
