"""Template tags for the marks of platforms."""

from __future__ import annotations

from django import template
from django.utils.safestring import SafeString

from catalog.models import Service
from catalog.platform_marks import Ordered, mark_of, platform_of, platform_of_order

register = template.Library()

register.simple_tag(mark_of, name="mark_of")


@register.simple_tag
def platform_mark(service: Service, size: int = 20) -> SafeString:
    """Return the mark of the platform that a service is for. Reads `upstream`."""
    return mark_of(platform_of(service), size=size)


@register.simple_tag
def order_mark(order: Ordered, size: int = 20) -> SafeString:
    """Return the mark of the platform that an order or a drip-feed is for."""
    return mark_of(platform_of_order(order), size=size)
