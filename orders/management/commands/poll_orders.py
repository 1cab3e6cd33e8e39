"""`manage.py poll_orders`: one round, for cron and for people."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from orders.tracking.poll import poll_due_orders


class Command(BaseCommand):
    help = "Asks the providers how the orders that are due stand, one round."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{poll_due_orders()} orders looked at.")
