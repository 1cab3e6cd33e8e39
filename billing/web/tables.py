"""The table of a wallet's entries."""

from __future__ import annotations

import django_tables2 as tables
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from billing.models import Entry
from billing.web.entry_lines import cause_of
from panel.lib.tables import AgoColumn, BaseTable, MoneyColumn


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
        label, address = cause_of(record)
        memo = format_html('<bdi class="entry-memo">{}</bdi>', record.memo)
        if address:
            return format_html('<a href="{}">{}</a> {}', address, label, memo)
        return format_html("{} {}", label, memo)
