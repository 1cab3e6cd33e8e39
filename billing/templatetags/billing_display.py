"""Badges of deposits."""

from __future__ import annotations

from django import template
from django.conf import settings
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from billing import references
from billing.fee_terms import FeeTerms
from billing.models import Deposit
from billing.states import DEPOSIT_BADGES
from panel.lib.templatetags.display import badge

register = template.Library()


@register.simple_tag
def deposit_badge(state: str) -> SafeString:
    """Return a deposit's state as colour, icon and word."""
    return badge(DEPOSIT_BADGES.get(state), _(Deposit.State(state).label) if state in Deposit.State.values else state)


register.filter("shown_code", references.shown_code)


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
