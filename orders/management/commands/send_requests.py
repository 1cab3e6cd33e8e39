"""`manage.py send_requests`: one round, for cron and for people."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from orders.requests.send import send_due_requests


class Command(BaseCommand):
    help = "Sends the cancels and refills that are due to their providers, one round."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{send_due_requests()} requests sent.")
