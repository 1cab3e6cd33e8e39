"""Tables of a customer's drip-feeds, and of the runs of one."""

from __future__ import annotations

import django_tables2 as tables
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orders.models import DripFeed, Order
from orders.web.columns import DeliveredColumn, DripStatusColumn, RunsColumn, StatusColumn
from panel.lib.tables import AgoColumn, BaseTable, LinkTextColumn, MoneyColumn


class DripTable(BaseTable):
    """Drip-feeds, each linked to its page."""

    drip = tables.Column(
        accessor="service_name", verbose_name=_("Drip-feed"), linkify=("drip_detail", [tables.A("pk")])
    )
    state = DripStatusColumn(verbose_name=_("Status"))
    progress = RunsColumn(accessor="pk", verbose_name=_("Runs"))
    link = LinkTextColumn(verbose_name=_("Link"))
    net_charge = MoneyColumn(verbose_name=_("Paid"))
    next_run_at = AgoColumn(verbose_name=_("Next run"))

    class Meta(BaseTable.Meta):
        model = DripFeed
        fields = ("drip", "state", "progress", "link", "net_charge", "next_run_at")

    def render_drip(self, record: DripFeed) -> SafeString:
        return format_html('<span class="row-number">{}</span> {}', record.pk, record.service_name)


class RunTable(BaseTable):
    """Runs that began, each linked to its order."""

    run = tables.Column(verbose_name=_("Run"), linkify=("order_detail", [tables.A("pk")]))
    status = StatusColumn(verbose_name=_("Status"))
    progress = DeliveredColumn(verbose_name=_("Delivered"), accessor="pk")
    charge = MoneyColumn(accessor="net_charge", verbose_name=_("Paid"))
    created = AgoColumn(accessor="created_at", verbose_name=_("Began"))

    class Meta(BaseTable.Meta):
        model = Order
        fields = ("run", "status", "progress", "charge", "created")

    def render_run(self, record: Order) -> SafeString:
        return format_html(gettext('Run {} <span class="row-number">· order {}</span>'), record.run, record.pk)
