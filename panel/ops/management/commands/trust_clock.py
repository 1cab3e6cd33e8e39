"""`manage.py trust_clock`: meet deadlines again after the clock jumped, because a person has looked at it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from panel.alerts.running import trust_clock
from panel.lib import clock
from panel.lib.formats import moment_text


class Command(BaseCommand):
    help = "Says that the database's clock is right, so that orders which waited for too long are refunded again."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"The database's clock says {moment_text(clock.now())}.")
        if trust_clock():
            self.stdout.write(self.style.SUCCESS("It is trusted: deadlines are met again."))
        else:
            self.stdout.write("It is not in doubt. Nothing was changed.")
