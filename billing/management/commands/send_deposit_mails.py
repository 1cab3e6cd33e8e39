"""`manage.py send_deposit_mails`: one round, for cron and for people."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from billing.mails import send_due_mails


class Command(BaseCommand):
    help = "Tells customers by mail how their deposits stand, one round."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{send_due_mails()} mails sent.")
