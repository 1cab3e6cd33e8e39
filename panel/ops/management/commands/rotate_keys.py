"""`manage.py rotate_keys`: encrypt stored secrets with the newest key; exit non-zero while an older one is needed."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from panel.ops.key_rotation import MAX_NAMED, Count, count_keys, rotate_keys


class Command(BaseCommand):
    help = (
        "Encrypts every stored secret with the first key of FIELD_ENCRYPTION_KEYS, and counts what still needs "
        "another. May be stopped and run again at any time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--count", action="store_true", help="Change nothing, and only count.")

    def handle(self, *args: Any, **options: Any) -> None:
        counts = count_keys() if options["count"] else rotate_keys()
        for count in counts:
            self.stdout.write(
                f"{count.kind.label}: {count.rotated:,} re-encrypted, {count.unreadable:,} unreadable, "
                f"{count.old:,} still under old keys, {count.plain:,} not encrypted."
            )
            if count.unreadable:
                self.stdout.write(self.style.ERROR(f"    Unreadable: {_named(count)}"))
        if any(count.unreadable for count in counts):
            raise CommandError(
                "No key in FIELD_ENCRYPTION_KEYS decrypts the unreadable ones. Put the missing key back behind the "
                "first and run this again. If it is lost, enter the providers' API keys and secret settings again, and "
                "delete those second factors in the admin."
            )
        if not all(count.is_done for count in counts):
            raise CommandError("Keep the old keys, and run this again without --count.")
        self.stdout.write(self.style.SUCCESS("Everything is under the newest key. Older ones are not needed any more."))


def _named(count: Count) -> str:
    rows = ", ".join(str(pk) for pk in count.unreadable_rows)
    return f"{rows} …" if count.unreadable > MAX_NAMED else rows
