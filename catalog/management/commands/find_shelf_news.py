"""`manage.py find_shelf_news`: one round, for cron and for people."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from catalog.shop.changelog import find_shelf_news


class Command(BaseCommand):
    help = "Finds what is new, gone, cheaper or dearer in the shop since the last round."

    def handle(self, *args: Any, **options: Any) -> None:
        found = find_shelf_news()
        self.stdout.write(f"Found {found} {'change' if found == 1 else 'changes'}.")
