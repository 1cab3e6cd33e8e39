"""Entries as lines of a list or of a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import tzinfo

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from billing.models import Entry
from panel.lib.money import format_plain

ENTRY_HEADER = ("number", "time", "what", "amount", "balance_after", "order", "drip_feed", "note")
_DEPOSIT_KEY = re.compile(r"deposit:([0-9]+)(?::[a-z0-9:]+)?")


def cause_of(entry: Entry) -> tuple[str, str]:
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


def entry_rows(entries: Iterable[Entry]) -> Iterator[tuple[str, ...]]:
    """Return the cells under ENTRY_HEADER. Money is in whole units, exactly.

    Times are in the zone that is current now: the rows are written when the request has ended.
    """
    zone = timezone.get_current_timezone()
    return (_cells(entry, zone) for entry in entries)


def _cells(entry: Entry, zone: tzinfo) -> tuple[str, ...]:
    return (
        str(entry.seq),
        entry.created_at.astimezone(zone).isoformat(timespec="seconds"),
        entry.get_kind_display(),
        format_plain(entry.amount),
        format_plain(entry.balance_after),
        str(entry.order_ref or ""),
        str(entry.drip_ref or ""),
        entry.memo,
    )
