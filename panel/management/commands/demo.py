"""`manage.py demo`: fill the demo and run web, tasks and sandbox until Ctrl-C."""

from __future__ import annotations

import io
import os
import threading
import time
import urllib.request
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from honcho.manager import Manager

from panel.demo import setup as demo
from panel.site import registry as site

BANNER = """
  {name} is running.

    Customer    {url}/            {customer}
    Reseller    {url}/            {reseller}
    Admin       {url}/admin/      {owner}
    Password    {password}        (all)
    Sandbox     http://localhost:{sandbox}/

  It has a month behind it. Order something as the customer and watch it being delivered.
  Links with "sandbox-partial" or "sandbox-canceled" in them end that way. Ctrl-C stops everything.
"""


# Ctrl-C and SIGTERM are the normal ways to end a demo.
STOPPED_BY_HAND = (0, 130, 143)


class Command(BaseCommand):
    help = "Fills the demo and runs web, tasks and sandbox until Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        password = os.environ.get("DEMO_PASSWORD", "")
        if not password:
            raise CommandError("DEMO_PASSWORD is not set. `make demo` writes it into .env; add it there.")
        ports = demo.Ports(web=int(os.environ.get("WEB_PORT", 8000)), sandbox=int(os.environ.get("SANDBOX_PORT", 8010)))
        settings.VAR_DIR.mkdir(exist_ok=True)
        try:
            demo.check_ports(ports)
            call_command("collectstatic", interactive=False, verbosity=0)
            call_command("migrate", verbosity=0)
            demo.fill(password=password, ports=ports)
            call_command("check_ledger", stdout=io.StringIO())
            # What waits for the owner is alerted at once.
            call_command("run_round", "watch_business", stdout=io.StringIO())
        except demo.DemoError as error:
            raise CommandError(str(error)) from error
        manager = Manager()
        # Links in mails use the port of this demo; a SITE_URL set by the owner stays.
        environment = {"SITE_URL": f"http://localhost:{ports.web}", **os.environ, "PYTHONUNBUFFERED": "1"}
        for name, command in demo.commands(ports).items():
            manager.add_process(name, command, env=environment, cwd=str(settings.BASE_DIR))
        threading.Thread(target=self._announce, args=(ports, password), daemon=True).start()
        manager.loop()
        if manager.returncode not in STOPPED_BY_HAND:
            raise SystemExit(manager.returncode)

    def _announce(self, ports: demo.Ports, password: str) -> None:
        """Print the addresses once the pages respond."""
        url = f"http://localhost:{ports.web}"
        for _ in range(100):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{ports.web}/healthz", timeout=2):  # noqa: S310
                    break
            except OSError:
                time.sleep(0.2)
        self.stdout.write(
            BANNER.format(
                name=site.PANEL_NAME.value,
                url=url,
                customer=demo.CUSTOMER,
                owner=demo.OWNER,
                reseller=demo.RESELLER,
                password=password,
                sandbox=ports.sandbox,
            )
        )
        self.stdout.flush()
