"""Badges and progress bars of orders, refills and drip-feeds."""

from __future__ import annotations

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from orders.models import DripFeed, Order
from orders.states import DRIP_BADGES, DRIP_WORDS, REFILL_BADGES, STATUS_BADGES, RefillState, Status
from panel.lib.templatetags.display import badge, number

register = template.Library()


@register.simple_tag
def status_badge(status: str) -> SafeString:
    """Return an order's status as colour, icon and word."""
    return badge(STATUS_BADGES.get(status), _(Status(status).label) if status in Status.values else status)


@register.simple_tag
def refill_badge(state: str) -> SafeString:
    """Return a refill's state as colour, icon and word."""
    return badge(REFILL_BADGES.get(state), _(RefillState(state).label) if state in RefillState.values else state)


@register.simple_tag
def drip_badge(state: str) -> SafeString:
    """Return a drip-feed's `shown_state` as colour, icon and word."""
    return badge(DRIP_BADGES.get(state), _(DRIP_WORDS.get(state, state)))


@register.simple_tag
def run_progress(drip: DripFeed) -> SafeString:
    """Return how many runs of a drip-feed have begun: a thin bar and "Run 3 of 10"."""
    return format_html(
        '<span class="delivered is-{}"><span class="delivered-text">{}</span>'
        '<progress max="{}" value="{}" aria-label="{}"></progress></span>',
        DRIP_BADGES.get(drip.shown_state, ("neutral", ""))[0],
        _("Run %(run)s of %(runs)s") % {"run": number(drip.begun), "runs": number(drip.runs)},
        drip.runs,
        drip.begun,
        _("Runs begun"),
    )


@register.simple_tag
def delivered_progress(order: Order) -> SafeString:
    """Return how much of an order was delivered: a thin bar and "843 of 1,000", or "1 package".

    A pending order counts as 0 delivered; any other without a number from its provider shows none.
    """
    delivered = 0 if order.delivered is None and order.status == Status.PENDING else order.delivered
    is_one_package = order.quantity == 1 and "package" in getattr(order, "service_type", "")
    if is_one_package:
        words = _("1 package")
    else:
        words = _("%(delivered)s of %(ordered)s") % {
            "delivered": number(delivered),
            "ordered": number(order.quantity),
        }
    return format_html(
        '<span class="delivered is-{}"><span class="delivered-text">{}</span>'
        '<progress max="{}" value="{}" aria-label="{}"></progress></span>',
        STATUS_BADGES.get(order.status, ("neutral", ""))[0],
        words,
        order.quantity,
        delivered or 0,
        _("Delivered"),
    )


@register.simple_tag
def delivered_bar(order: Order) -> SafeString:
    """Return how much of an order was delivered as a bar alone, for a page on which the numbers stand beside it."""
    return format_html(
        '<progress class="bar-lg is-{}" max="{}" value="{}" aria-label="{}"></progress>',
        STATUS_BADGES.get(order.status, ("neutral", ""))[0],
        order.quantity,
        order.delivered or 0,
        _("Delivered"),
    )


# Orders of which a part was delivered: only these have a bar in lists.
_UNDER_WAY = frozenset({Status.PROCESSING, Status.IN_PROGRESS, Status.PARTIAL})


@register.simple_tag
def delivered_count(order: Order) -> SafeString:
    """Return how much of an order was delivered for a list: "843 of 1,000", and "1,000" where it is all.

    A thin bar says the same of orders that run and of those that ended short.
    """
    delivered = 0 if order.delivered is None and order.status == Status.PENDING else order.delivered
    if order.quantity == 1 and "package" in order.service_type:
        words = _("1 package")
    elif delivered == order.quantity:
        words = number(order.quantity)
    else:
        words = _("%(delivered)s of %(ordered)s") % {"delivered": number(delivered), "ordered": number(order.quantity)}
    bar: SafeString | str = ""
    if delivered is not None and order.status in _UNDER_WAY:
        bar = format_html(
            '<progress max="{}" value="{}" aria-label="{}"></progress>', order.quantity, delivered, _("Delivered")
        )
    look = STATUS_BADGES.get(order.status, ("neutral", ""))[0]
    return format_html('<span class="prog is-{}"><bdi>{}</bdi>{}</span>', look, words, bar)
