"""The list of a wallet's entries."""

from __future__ import annotations

from typing import Any

import django_tables2 as tables
from django.urls import reverse
from django.utils.html import format_html

from billing.models import Entry
from panel.tables import AgoColumn, BaseTable, MoneyColumn


class EntryTable(BaseTable):
    """Every movement with the balance after it."""

    what = tables.Column(accessor="kind", verbose_name="What")
    amount = MoneyColumn(signed=True, exact=True)
    balance_after = MoneyColumn(verbose_name="Balance", exact=True)
    created_at = AgoColumn(verbose_name="When")

    class Meta(BaseTable.Meta):
        model = Entry
        fields = ("what", "created_at", "amount", "balance_after")

    def render_what(self, record: Any) -> str:
        """The kind leads to the order it belongs to; the memo follows in quieter type."""
        label = record.get_kind_display()
        if record.order_ref:
            address = reverse("order_detail", args=[record.order_ref])
            return format_html(
                '<a href="{}">{} {}</a> <span class="entry-memo">{}</span>',
                address,
                label,
                record.order_ref,
                record.memo,
            )
        return format_html('{} <span class="entry-memo">{}</span>', label, record.memo)
