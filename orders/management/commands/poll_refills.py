"""`manage.py poll_refills`: one round, for cron and for people."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from orders.requests.refill_poll import poll_due_refills


class Command(BaseCommand):
    help = "Asks the providers how the refills that are due stand, one round."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{poll_due_refills()} refills looked at.")
