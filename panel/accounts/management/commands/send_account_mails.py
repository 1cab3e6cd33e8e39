"""`manage.py send_account_mails`: one round, for cron and for people."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from panel.accounts.mails import send_account_mails


class Command(BaseCommand):
    help = "Sends invitations and news of changed addresses, one round."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{send_account_mails()} mails sent.")
