"""`manage.py send_account_mails`: one round, for cron and for people."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from panel.accounts.addresses import send_address_notices


class Command(BaseCommand):
    help = "Tells customers by mail that their address was changed, one round."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{send_address_notices()} mails sent.")
