"""`manage.py run_round submit_orders`: run one round in this process."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from panel.ops.rounds import ROUNDS, run_round


class Command(BaseCommand):
    help = "Run one round of what the workers do again and again, for cron and for people."

    def add_arguments(self, parser: CommandParser) -> None:
        rounds = parser.add_argument("rounds", nargs="+", choices=sorted(ROUNDS), metavar="round")
        rounds.help = " · ".join(f"{name}: {one.help}" for name, one in sorted(ROUNDS.items()))

    def handle(self, *args: Any, **options: Any) -> None:
        for name in options["rounds"]:
            self.stdout.write(run_round(name))
