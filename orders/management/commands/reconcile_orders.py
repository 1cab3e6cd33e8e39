"""`manage.py reconcile_orders`: one round, for cron and for people."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from orders.dispatch.timeouts import meet_deadlines
from orders.reconcile.worker import reconcile_due_orders


class Command(BaseCommand):
    help = "Looks for the doubtful orders that are due, one round over all providers."

    def handle(self, *args: Any, **options: Any) -> None:
        meet_deadlines()
        self.stdout.write(f"{reconcile_due_orders()} doubts settled.")
