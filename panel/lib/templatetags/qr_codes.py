"""QR codes, as drawings that scale."""

from __future__ import annotations

import segno
from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

# Characters; a longer text makes modules that phones cannot read from a screen.
MAX_TEXT = 600


@register.simple_tag
def qr_code(text: str, label: str) -> SafeString:
    """Return an SVG of `text`, dark on white also on dark pages, with `label` for those who do not see it; or ""."""
    if not text or len(text) > MAX_TEXT:
        return mark_safe("")
    drawn = segno.make(text, error="m", micro=False).svg_inline(
        omitsize=True, border=4, dark="#000", light="#fff", svgclass=None, lineclass=None
    )
    # The library draws squares alone; the text is nowhere in it.
    return format_html('<div class="qr" role="img" aria-label="{}">{}</div>', label, mark_safe(drawn))
