"""The owner's look in templates."""

from __future__ import annotations

from django import template
from django.urls import reverse

from panel.site import registry

register = template.Library()


@register.simple_tag
def theme_url() -> str:
    """Return the address of the accent's stylesheet, which changes with the colour."""
    return f"{reverse('theme_css')}?v={registry.PANEL_ACCENT.value.lstrip('#')}"
