"""`manage.py count_figures`: one round, for cron and for people."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from orders.reports.statistics import count_figures


class Command(BaseCommand):
    help = "Counts the orders of the last weeks for the lists of services and providers."

    def handle(self, *args: Any, **options: Any) -> None:
        count_figures()
        self.stdout.write("The figures are counted.")
