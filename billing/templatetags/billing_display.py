"""Badges of deposits, and the owner's instructions."""

from __future__ import annotations

from django import template
from django.conf import settings
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from billing import references
from billing.fee_terms import FeeTerms
from billing.instructions import blocks_of
from billing.models import Deposit
from billing.states import DEPOSIT_BADGES
from panel.lib import clock
from panel.lib.templatetags.display import badge

register = template.Library()


@register.simple_tag
def deposit_badge(state: str) -> SafeString:
    """Return a deposit's state as colour, icon and word."""
    return badge(DEPOSIT_BADGES.get(state), _(Deposit.State(state).label) if state in Deposit.State.values else state)


register.filter("shown_code", references.shown_code)
register.filter("instruction_blocks", blocks_of)


@register.simple_tag
def failed_badge() -> SafeString:
    """Return what a request looks like whose gateway refused it."""
    return badge(("danger", "x-circle"), _("Did not work"))


@register.simple_tag
def unpaid_badge() -> SafeString:
    """Return what a request looks like that its customer has still to pay."""
    return badge(("warning", "wallet2"), _("To be paid"))


@register.simple_tag
def request_badge(deposit: Deposit) -> SafeString:
    """Return the badge of a request in a list: see `billing.web.request_stages.with_money`."""
    if deposit.state != Deposit.State.PENDING or deposit.paid_at or getattr(deposit, "has_money", False):
        return deposit_badge(deposit.state)
    is_expired = deposit.expires_at is not None and deposit.expires_at <= clock.now()
    return expired_badge() if is_expired else unpaid_badge()


@register.filter
def fee_words(terms: FeeTerms) -> SafeString:
    """Return the terms of a fee: "4% + $0.10"."""
    return format_html("<bdi>{}</bdi>", fee_text(terms))


@register.filter
def fee_text(terms: FeeTerms) -> str:
    """Return the terms of a fee as plain text."""
    return terms.shown(settings.PANEL_CURRENCY)


@register.simple_tag
def expired_badge() -> SafeString:
    """Return what a request looks like that is not waited for any longer."""
    return badge(("neutral", "clock-history"), _("Expired"))
