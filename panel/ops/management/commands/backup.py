"""`manage.py backup`: copy the database and the receipts; exit non-zero if there is no sound copy at the end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error
from django.template.defaultfilters import filesizeformat

from panel.alerts.services import record_heartbeat
from panel.ops.backup.create import PRIVATE, create_backup
from panel.ops.backup.files import BackupError


class Command(BaseCommand):
    help = "Copies the database and customers' receipts into a new folder, with a manifest. For cron, too."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "folder",
            nargs="?",
            type=Path,
            default=settings.VAR_DIR / "backups",
            help="Where the backups are kept: VAR_DIR/backups by default. Copy them to another machine.",
        )
        parser.add_argument(
            "--keep", type=int, metavar="N", help="Remove all but the newest N backups in the folder, after this one."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["keep"] is not None and options["keep"] < 1:
            raise CommandError("--keep must be at least 1.")
        begun = time.monotonic()
        try:
            made = create_backup(into=options["folder"], keep=options["keep"])
        except (BackupError, Error, OSError) as error:
            raise CommandError(f"No backup was made. {error}") from error
        record_heartbeat(task="backup")
        manifest = made.manifest
        receipts = [one for name, one in manifest.files.items() if name.startswith(f"{PRIVATE}/")]
        counts = manifest.database.facts.counts
        self.stdout.write(
            f"Database: {filesizeformat(manifest.database_size)}, with {counts.get('orders_order', 0):,} orders and "
            f"{counts.get('billing_entry', 0):,} entries.\n"
            f"Receipts: {len(receipts):,} files, {filesizeformat(sum(one.size for one in receipts))}.\n"
            "Not included: the .env, or whatever sets the environment. Keep a copy of it in another place than the "
            "backups. Without its FIELD_ENCRYPTION_KEYS the providers' API keys and second factors cannot be read, and "
            "without its SECRET_KEY everybody is signed out. Also not included: the cache, static files, and the mark "
            "of what was sent last, which must never be restored."
        )
        for folder in made.removed:
            self.stdout.write(f"Removed {folder.name}.")
        self.stdout.write(self.style.SUCCESS(f"{made.folder}: made and verified in {time.monotonic() - begun:.1f} s."))
