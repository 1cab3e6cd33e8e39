"""`manage.py check_ledger`: check every balance and refund; exit non-zero and show the rows of a breach."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.models import Entry, Wallet
from orders.models import Order
from panel.ops.invariants import prove_books


class Command(BaseCommand):
    help = "Checks that every balance, charge and refund adds up, and that no order is overdue."

    def handle(self, *args: Any, **options: Any) -> None:
        breaches = prove_books()
        for breach in breaches:
            self.stdout.write(self.style.ERROR(f"BROKEN  {breach.invariant}"))
            for row in breach.rows:
                self.stdout.write(f"        {row}")
        if breaches:
            raise CommandError(f"{len(breaches)} invariants do not hold.")
        counts = (
            f"{Wallet.objects.count():,} wallets, {Entry.objects.count():,} entries, {Order.objects.count():,} orders"
        )
        self.stdout.write(self.style.SUCCESS(f"Clean: {counts}."))
