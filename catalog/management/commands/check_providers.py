"""`manage.py check_providers`: asks every active provider for its balance, once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from catalog.provider_accounts import check_providers


class Command(BaseCommand):
    help = "Asks every active provider for its balance."

    def handle(self, *args: Any, **options: Any) -> None:
        failures = check_providers()
        if failures:
            raise CommandError(f"{failures} providers did not answer; see the alerts.")
        self.stdout.write("All active providers answered.")
