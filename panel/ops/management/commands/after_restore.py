"""`manage.py after_restore`: show what a restore left to do, and do it without the admin's page."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from catalog.models import Provider
from orders.common.stops import open_stops, resume_sending
from orders.models import Orphan, SendingStop
from orders.recovery.after_restore import NotConfirmable, NotStopped, begin_after_restore, confirm_latest, last_known
from orders.recovery.doubts import doubts_after_restore
from orders.recovery.orphans import OrphanError, search_orphans
from orders.states import StopReason
from panel.lib.formats import exact_moment_text


class Command(BaseCommand):
    help = "Shows what a restore left to do. Decide about single orders on the page “After a restore” of the admin."

    def add_arguments(self, parser: CommandParser) -> None:
        choice = parser.add_mutually_exclusive_group()
        choice.add_argument(
            "--restored", action="store_true", help="A backup was restored: put the queue in doubt, stop each provider."
        )
        choice.add_argument(
            "--latest", action="store_true", help="Nothing was restored: the panel moved. Resume sending."
        )
        choice.add_argument("--search", metavar="PROVIDER", help="Search the next ids of this provider for orphans.")
        choice.add_argument("--resume", metavar="PROVIDER", help="Resume sending to this provider.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["restored"]:
                done = begin_after_restore(actor=None)
                self.stdout.write(f"{done.doubts} orders are in doubt now. {done.providers} providers are stopped.")
            elif options["latest"]:
                confirm_latest(actor=None)
                self.stdout.write("Sending goes on.")
            elif options["search"]:
                found = search_orphans(stop=_stop_of(options["search"]), actor=None)
                self.stdout.write(f"Ids {found.first} to {found.last}: {found.found} orphans are new.")
            elif options["resume"]:
                resume_sending(stop=_stop_of(options["resume"]), actor=None)
                self.stdout.write(f"Orders are sent to {options['resume']} again.")
        except (NotStopped, NotConfirmable, OrphanError) as error:
            raise CommandError(str(error)) from error
        self._show()

    def _show(self) -> None:
        stops = list(open_stops())
        if not stops:
            self.stdout.write(self.style.SUCCESS("Sending is not stopped."))
            return
        latest = last_known().latest
        self.stdout.write(f"This database last changed at {exact_moment_text(latest) if latest else 'no time'}.")
        for stop in stops:
            self.stdout.write(self.style.WARNING(f"{stop}. {stop.text}"))
            if stop.provider and stop.reason == StopReason.RESTORED:
                self.stdout.write(f"    {_left_at(stop.provider)}")


def _left_at(provider: Provider) -> str:
    doubts = doubts_after_restore(provider=provider)
    orphans = Orphan.objects.filter(provider=provider, state=Orphan.State.OPEN).count()
    return (
        f"{doubts.found.count} doubts found by id, {doubts.missing.count} not found, {doubts.unclear.count} unclear; "
        f"{orphans} orphans open"
    )


def _stop_of(name: str) -> SendingStop:
    stop = open_stops().filter(provider__name=name, reason=StopReason.RESTORED).first()
    if stop is None:
        raise CommandError(f"No provider {name!r} is stopped after a restore.")
    return stop
