"""`manage.py restore PATH`: verify a backup and put it in the place of the database; nothing is sent afterwards."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from panel.ops.backup.create import engine
from panel.ops.backup.files import BackupError
from panel.ops.backup.restore import fitting_manifest, lacks_keys, restore_backup


class Command(BaseCommand):
    help = "Restores a backup of `manage.py backup` and stops the sending of orders. See docs/restore.md."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="The folder of one backup.")
        parser.add_argument(
            "--replace", action="store_true", help="Overwrite the database, after its name was typed in."
        )
        parser.add_argument("--yes-replace", metavar="NAME", help="Overwrite the database of this name without asking.")

    def handle(self, *args: Any, **options: Any) -> None:
        begun = time.monotonic()
        try:
            folder = options["folder"].resolve()
            self.stdout.write("Verifying the backup …")
            manifest = fitting_manifest(folder)
            facts = manifest.database.facts
            self.stdout.write(
                f"Made at {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC by version {manifest.panel_version} at "
                f"{manifest.site_url}: {facts.counts.get('orders_order', 0):,} orders, the last with number "
                f"{facts.highest.get('orders', 0)}."
            )
            if lacks_keys(manifest):
                self.stdout.write(
                    self.style.WARNING(
                        "FIELD_ENCRYPTION_KEYS has not the key of the backup: the providers' API keys and second "
                        "factors will not be readable. Add the key, or enter the API keys again afterwards and delete "
                        "the second factors."
                    )
                )
            replace = options["yes_replace"] or (self._typed_name() if options["replace"] else "")
            restore_backup(folder=folder, manifest=manifest, replace=replace, say=self.stdout.write)
        except (BackupError, Error, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            self.style.SUCCESS(f"Restored in {time.monotonic() - begun:.1f} s. No order is sent.")
            + "\nRun `manage.py check_ledger`, start the services, then walk through `manage.py after_restore`; see "
            "docs/restore.md."
        )

    def _typed_name(self) -> str:
        name = engine().database_name()
        self.stdout.write(self.style.WARNING(f"Everything in the database {name} will be lost."))
        typed = input("Type its name to go on: ")
        if typed != name:
            raise CommandError("The name differs. Nothing was changed.")
        return name
