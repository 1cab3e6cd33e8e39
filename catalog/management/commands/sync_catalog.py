"""`manage.py sync_catalog`: import the providers' services once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from catalog.imports.run import import_services
from catalog.models import Provider, SyncRun


class Command(BaseCommand):
    help = "Imports the services of every active provider, or of the named one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("provider", nargs="?", help="The provider's name; all active ones without.")
        parser.add_argument("--force", action="store_true", help="Apply a list even if it looks implausible.")

    def handle(self, *args: Any, **options: Any) -> None:
        providers = Provider.objects.filter(is_active=True)
        if options["provider"]:
            providers = providers.filter(name=options["provider"])
        if not providers:
            raise CommandError("There is no such active provider.")
        runs = [import_services(provider=provider, force=options["force"]) for provider in providers]
        for run in runs:
            self.stdout.write(describe(run))
        if any(run.outcome != SyncRun.Outcome.APPLIED for run in runs):
            raise CommandError("Not every list was applied.")


def describe(run: SyncRun) -> str:
    """Return the result of a run as one line."""
    if run.outcome != SyncRun.Outcome.APPLIED:
        return f"{run.provider}: {run.get_outcome_display().lower()}. {run.reason}"
    return (
        f"{run.provider}: {run.listed} listed, {run.added} new, {run.changed} changed, "
        f"{run.vanished} gone, {run.returned} returned, {run.skipped_count} skipped."
    )
