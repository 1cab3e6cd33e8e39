"""What customers read for the kinds of entries, where several are meant."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from billing.models import Entry

KIND_NAMES: dict[str, Any] = {
    Entry.Kind.DEPOSIT: _("Deposits"),
    Entry.Kind.FEE: _("Fees"),
    Entry.Kind.BONUS: _("Bonuses"),
    Entry.Kind.ORDER: _("Orders"),
    Entry.Kind.DRIP_FEED: _("Drip-feeds"),
    Entry.Kind.REFUND: _("Refunds"),
    Entry.Kind.ADJUSTMENT: _("Adjustments"),
}
