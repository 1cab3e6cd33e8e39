"""Template tags for services and changes in the shop."""

from __future__ import annotations

from urllib.parse import urlencode

from django import template
from django.template import Context
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from catalog.models import Service, ShelfNews
from catalog.selectors import times_of
from catalog.shop.changelog import NEWS_BADGES
from panel.lib.templatetags.display import badge
from panel.site import registry as site

register = template.Library()

# Characters of a description in a row; one line on a wide screen.
MAX_LINE = 110


@register.simple_tag
def news_badge(kind: str, percent: str) -> SafeString:
    """Return a change in the shop as color, icon and words, such as "Cheaper −12%"."""
    return badge(NEWS_BADGES.get(kind), f"{_(ShelfNews.Kind(kind).label)} {percent}".rstrip())


@register.simple_tag(takes_context=True)
def order_address(context: Context, service: Service, link: str = "") -> str:
    """Return where the service is ordered, with the link to deliver to; a visitor signs up first, or in."""
    query = {"service": str(service.pk), "link": link} if link else {"service": str(service.pk)}
    form = f"{reverse('order_new')}?{urlencode(query)}"
    if context["user"].is_authenticated:
        return form
    entrance = "account_signup" if site.SIGN_UP.value == "open" else "account_login"
    return f"{reverse(entrance)}?{urlencode({'next': form}, safe='/')}"


@register.simple_tag(takes_context=True)
def row_address(context: Context, service: Service, link: str = "") -> str:
    """Return where the name of a service leads: a customer orders it, a visitor reads about it."""
    if context["user"].is_authenticated:
        return order_address(context, service, link)
    page = reverse("service_page", args=[service.pk])
    return f"{page}?{urlencode({'link': link})}" if link else page


@register.filter
def in_line(description: str) -> str:
    """Return the beginning of a description on one line."""
    return Truncator(" ".join(description[: 4 * MAX_LINE].split())).chars(MAX_LINE)


@register.filter
def is_cut(description: str) -> bool:
    """Return True if `in_line` shows less than there is."""
    return in_line(description) != " ".join(description.split())


@register.simple_tag
def usual_time(service: Service) -> int | None:
    """Return the seconds that an order of the service usually takes; None if there is too little data."""
    figures = times_of(service)
    return figures.typical_seconds if figures else None


@register.filter
def short_count(value: int) -> str:
    """Return a limit of quantities: "50,000", and from a million on "10M" or "2.5M"; "2,147,483,647" is "2,147M"."""
    if value < 1_000_000:
        return f"{value:,}"
    tenths = value // 100_000
    return f"{tenths // 10:,}.{tenths % 10}M" if tenths % 10 and tenths < 100 else f"{tenths // 10:,}M"
