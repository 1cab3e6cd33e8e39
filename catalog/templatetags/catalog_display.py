"""Template tags for changes in the shop."""

from __future__ import annotations

from django import template
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from catalog.models import ShelfNews
from catalog.shop.changelog import NEWS_BADGES
from panel.lib.templatetags.display import badge

register = template.Library()


@register.simple_tag
def news_badge(kind: str, percent: str) -> SafeString:
    """Return a change in the shop as color, icon and words, such as "Cheaper −12%"."""
    return badge(NEWS_BADGES.get(kind), f"{_(ShelfNews.Kind(kind).label)} {percent}".rstrip())
