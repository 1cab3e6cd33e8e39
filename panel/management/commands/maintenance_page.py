"""`manage.py maintenance_page`: write a page that a reverse proxy serves while the panel is stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.template.loader import render_to_string
from django.utils.safestring import mark_safe

from panel.alerts.errors.views import owner_facts
from panel.site import registry
from panel.site.accent import look_of


def page() -> str:
    """Return the page with everything that it needs in it: nothing else is served meanwhile."""
    alone = Path(settings.BASE_DIR, "panel", "static", "css", "alone.css").read_text()
    look = look_of(registry.PANEL_ACCENT.value)
    # Safe: the shades are computed from a color that was checked.
    styles = mark_safe(
        f"<style>\n:root {{ --accent: {look.accent}; --on-accent: {look.on_accent}; --accent-text: {look.light}; }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ --accent-text: {look.dark}; }} }}\n{alone}</style>"
    )
    return render_to_string("maintenance.html", {**owner_facts(), "styles": styles})


class Command(BaseCommand):
    help = "Writes the page to show while the panel is stopped, in your name and color. Send the output to a file."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(page())
