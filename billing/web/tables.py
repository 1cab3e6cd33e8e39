"""The table of a wallet's entries."""

from __future__ import annotations

import re

import django_tables2 as tables
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from billing.models import Entry
from panel.lib.tables import AgoColumn, BaseTable, MoneyColumn

_DEPOSIT_KEY = re.compile(r"deposit:([0-9]+)(?::[a-z0-9:]+)?")


class EntryTable(BaseTable):
    """Entries, each with the balance after it."""

    what = tables.Column(accessor="kind", verbose_name=_("What"))
    amount = MoneyColumn(verbose_name=_("Amount"), signed=True)
    balance_after = MoneyColumn(verbose_name=_("Balance"))
    created_at = AgoColumn(verbose_name=_("When"))

    class Meta(BaseTable.Meta):
        model = Entry
        fields = ("what", "created_at", "amount", "balance_after")

    def render_what(self, record: Entry) -> str:
        """Link the kind to what was paid or refunded; the memo follows in smaller type."""
        label, address = _cause(record)
        memo = format_html('<span class="entry-memo">{}</span>', record.memo)
        if address:
            return format_html('<a href="{}">{}</a> {}', address, label, memo)
        return format_html("{} {}", label, memo)


def _cause(entry: Entry) -> tuple[str, str]:
    """Return the entry's label, and the page of the order, drip-feed or deposit behind it, or ""."""
    kind = gettext(entry.get_kind_display())
    if entry.order_ref:
        text = "%(kind)s %(number)s" if entry.kind == Entry.Kind.ORDER else gettext("%(kind)s of order %(number)s")
        return text % {"kind": kind, "number": entry.order_ref}, reverse("order_detail", args=[entry.order_ref])
    if entry.drip_ref:
        is_charge = entry.kind == Entry.Kind.DRIP_FEED
        text = "%(kind)s %(number)s" if is_charge else gettext("%(kind)s of drip-feed %(number)s")
        return text % {"kind": kind, "number": entry.drip_ref}, reverse("drip_detail", args=[entry.drip_ref])
    if deposit := _DEPOSIT_KEY.fullmatch(entry.key):
        return kind, reverse("deposit_detail", args=[deposit[1]])
    return kind, ""
