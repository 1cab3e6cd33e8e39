"""`manage.py begin_runs`: one round, for cron and for people."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from orders.checkout.drip_feeds import begin_due_runs


class Command(BaseCommand):
    help = "Places the runs of drip-feeds that are due, one round."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{begin_due_runs()} runs began.")
