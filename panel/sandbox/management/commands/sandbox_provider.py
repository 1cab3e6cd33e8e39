from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from panel.sandbox.amounts import to_micros
from panel.sandbox.server import SandboxServer


class Command(BaseCommand):
    help = "Run the sandbox provider: an API v2 server to try the panel with."
    # It runs beside the panel, whose database and settings need not be in order.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", type=int, default=8010, help="port, 0 for a free one")
        parser.add_argument("--db", default="var/sandbox.sqlite3", help="state file, made if it is missing")
        parser.add_argument("--key", default="sandbox-key", help="API key of the one customer")
        parser.add_argument("--services", type=int, default=60, help="services to offer; above 60, generated ones")
        parser.add_argument("--balance", default="1000", help="opening balance of a new file, USD")
        parser.add_argument("--speed", type=float, default=1.0, help="pace of delivery, 1: about 30 s an order")
        parser.add_argument("--control", action="store_true", help="open POST /_control, to test against")
        parser.add_argument("--request-ids", action="store_true", help="answer a repeated request_id once")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["services"] < 1 or options["speed"] < 0:
            raise CommandError("--services must be at least 1, --speed not below 0")
        try:
            to_micros(options["balance"])
        except ValueError as error:
            raise CommandError(f"--balance: {error}") from None
        try:
            server = SandboxServer(
                db_path=options["db"],
                host=options["host"],
                port=options["port"],
                key=options["key"],
                services=options["services"],
                balance=options["balance"],
                speed=options["speed"],
                control=options["control"],
                request_ids=options["request_ids"],
                keep_requests=10_000 if options["control"] else 100,
            )
        except (OSError, OverflowError) as error:
            raise CommandError(f"cannot listen on {options['host']}:{options['port']}: {error}") from None

        stop = threading.Event()
        before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            with server:
                self.stdout.write(f"Sandbox provider listening on {server.url}")
                self.stdout.flush()
                stop.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
