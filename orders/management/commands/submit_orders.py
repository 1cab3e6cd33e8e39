"""`manage.py submit_orders`: one round, for cron and for people."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from orders.dispatch.submit import submit_due_orders


class Command(BaseCommand):
    help = "Sends the orders that are due, one round over all providers."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{submit_due_orders()} orders sent.")
