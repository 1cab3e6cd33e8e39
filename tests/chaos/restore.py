"""A backup is made under load, restored after sixty more orders were sent, and the workers are started again.

On the same host, on a new one without what was kept outside the database, and on one that was rolled back as a whole.
Nothing may be sent until a person has walked through the restore, and every order that is missing must be listed.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, connections
from django.utils import timezone

from catalog.provider_accounts import check_balance
from orders.common.stops import is_restore_open, open_stops, resume_sending, stop_sending
from orders.marks import storage
from orders.models import Order, Orphan
from orders.reckoning.reckon import reckon_provider
from orders.recovery.after_restore import begin_after_restore
from orders.recovery.doubts import bind_found
from orders.recovery.orphans import close_known_orphans, search_orphans
from orders.states import StopReason
from panel.alerts.models import Heartbeat
from panel.sandbox.server import SandboxServer
from tests import make
from tests.chaos import product
from tests.chaos.children import Children
from tests.chaos.crew import Crew
from tests.chaos.figures import Figures
from tests.chaos.truth import audit, audit_ledger
from tests.chaos.upstream import truth_of

HOSTS = ("same", "new", "rolled back")
# Orders that are sent after the backup at least.
LATER_ORDERS = 60
# Orders in the queue at most, while workers run.
MAX_WAITING = 12
# How long the restarted workers are watched once they work: they must send nothing.
_WATCH_SECONDS = 4.0
_MAX_SECONDS = 180.0


def run(*, children: Children, has_broker: bool, seed: int, hosts: tuple[str, ...]) -> Figures:
    """Restore a backup on each of the hosts, one after the other, and audit what was sent."""
    began = time.monotonic()
    figures = Figures()
    for number, host in enumerate(hosts):
        trial = _Trial(children, has_broker, f"{seed}/{number}", host, figures)
        try:
            trial.run()
        finally:
            trial.close()
    figures.add("seconds", round(time.monotonic() - began))
    return figures


class _Trial:
    """One backup and its restore, with a provider, two customers and a crew of workers of its own."""

    def __init__(self, children: Children, has_broker: bool, seed: str, host: str, figures: Figures) -> None:
        self.host, self.figures = host, figures
        self.draw = random.Random(seed)
        self.crew = Crew(children, has_broker=has_broker)
        self.server = SandboxServer(key=f"restore-{host}", speed=0).start()
        self.folder = children.folder / f"backup-{host.replace(' ', '-')}"
        self.folder.mkdir()
        self.created = 0

    def close(self) -> None:
        self.crew.stop()
        self.figures.counts.update(self.crew.figures)
        self.server.close()

    @property
    def _orders(self) -> Any:
        return Order.objects.filter(provider=self.provider)

    @property
    def _sent(self) -> int:
        return len(self.server.requests_of("add"))

    def run(self) -> None:
        self._open()
        self.crew.start()
        self._order_until(lambda: self._sent >= self.draw.randrange(10, 25))
        self._backup()
        before = self._sent
        self._order_until(lambda: self._sent >= before + LATER_ORDERS)
        self.crew.stop()
        self.figures.add("orders sent after a backup", self._sent - before)
        self._restore()
        self._watch()
        self._walk_through()
        self._audit()

    def _open(self) -> None:
        self.provider = make.provider(url=self.server.url, api_key=self.server.key, name=f"restore {self.host}")
        self.customers = [make.customer(f"{self.host}-{number}@example.org", funds="100000") for number in range(2)]
        self.service = make.service(self.provider)
        for _ in range(3):
            self._order()
            product.submit_for(self.provider)
            self.server.skip_order_ids(3)
        check_balance(provider=self.provider)
        self.provider.refresh_from_db()
        reckon_provider(provider=self.provider)

    def _order(self) -> None:
        link = f"https://example.com/{self.host.replace(' ', '-')}/{self.created}"
        quantity = self.draw.randrange(20, 3000)
        make.order(self.draw.choice(self.customers), self.service, quantity=quantity, link=link)
        self.created += 1

    def _order_until(self, done: Callable[[], bool]) -> None:
        """Let customers order while the workers send, until it is done."""
        limit = time.monotonic() + _MAX_SECONDS
        while not done():
            if time.monotonic() > limit:
                why = "; ".join(stop.text for stop in open_stops()) or "nothing is stopped"
                self.figures.problem("other problems", f"{self.host}: the workers do not keep up: {why}")
                return
            if self._orders.filter(submission="queued").count() < MAX_WAITING:
                self._order()
                if self.draw.random() < 0.3:
                    self.server.skip_order_ids(1)
            time.sleep(0.02)

    def _backup(self) -> None:
        """Keep the database as it is at this moment, between any two statements of the workers."""
        if self.host == "rolled back":
            # First: the mark of a snapshot is never newer than its database. Then only the balance shows it.
            shutil.copy(_mark(), self.folder / storage.FILE)
        if connection.vendor == "postgresql":
            _run("pg_dump", "--format=custom", f"--file={self.folder / 'dump'}", f"--dbname={_url()}")
        else:
            with sqlite3.connect(_file()) as source, sqlite3.connect(self.folder / "dump") as target:
                source.backup(target)

    def _restore(self) -> None:
        connections.close_all()
        if connection.vendor == "postgresql":
            _run("pg_restore", "--clean", "--if-exists", f"--dbname={_url()}", str(self.folder / "dump"))
        else:
            for suffix in ("-wal", "-shm"):
                Path(f"{_file()}{suffix}").unlink(missing_ok=True)
            shutil.copy(self.folder / "dump", _file())
        if self.host == "new":
            _mark().unlink()
        elif self.host == "rolled back":
            shutil.copy(self.folder / storage.FILE, _mark())

    def _watch(self) -> None:
        """Start the workers on the restored database, and let customers order: nothing may be sent."""
        before, restored_at = self._sent, timezone.now()
        self.figures.add("orders queued in the backup", self._orders.filter(submission="queued").count())
        self.crew.start()
        limit, until = time.monotonic() + _MAX_SECONDS, float("inf")
        while time.monotonic() < min(limit, until):
            if until == float("inf") and _has_worked(since=restored_at):
                until = time.monotonic() + _WATCH_SECONDS
            if self._orders.filter(submission="queued").count() < 2 * MAX_WAITING:
                self._order()
            product.end_waits()
            time.sleep(0.2)
        self.crew.stop()
        if self._sent > before:
            self.figures.problem("duplicates", f"{self.host}: {self._sent - before} orders sent from the backup")
        stops = [stop.reason for stop in open_stops()]
        self.figures.add(f"stopped: {', '.join(stops) or 'not at all'}")
        if not stops:
            self.figures.problem("other problems", f"{self.host}: sending was not stopped")

    def _walk_through(self) -> None:
        """Do what staff do: put the queue in doubt, search all ids, bind what is certain, then resume."""
        # On a host that was rolled back only the balance shows it. Staff then say that it is a restore.
        _stop_by_hand(self.provider.pk)
        done = begin_after_restore(actor=None)
        self.figures.add("doubts after a restore", done.doubts)
        for stop in open_stops().filter(provider__isnull=False):
            if stop.provider_id == self.provider.pk:
                while search_orphans(stop=stop, actor=None, width=500).found:
                    stop.refresh_from_db()
                self._check_listed()
                bound = bind_found(
                    provider=self.provider, seen=list(self._orders.values_list("pk", flat=True)), actor=None
                )
                self.figures.add("doubts bound after a restore", bound.count)
                close_known_orphans(provider=self.provider)
            resume_sending(stop=stop, actor=None)

    def _check_listed(self) -> None:
        """Record a problem for each order at the provider that is neither known here nor listed as an orphan."""
        known = set(self._orders.exclude(upstream_id=None).values_list("upstream_id", flat=True))
        listed = set(Orphan.objects.filter(provider=self.provider).values_list("upstream_id", flat=True))
        there = {str(one.id) for one in self.server.orders()}
        self.figures.add("orphans listed", len(listed))
        for missing in sorted(there - known - listed):
            self.figures.problem("lost", f"{self.host}: {missing} is not listed")

    def _audit(self) -> None:
        """Let the workers send the orders of after the restore, then compare all with the provider."""
        self.crew.start()
        limit = time.monotonic() + _MAX_SECONDS
        while self._orders.filter(submission__in=("queued", "placing")).exists() and time.monotonic() < limit:
            product.end_waits()
            time.sleep(0.2)
        self.crew.stop()
        product.give_up()
        audit(self.figures, self._orders, truth_of({self.provider.pk: self.server}), where=f"restored, {self.host}:")
        audit_ledger(self.figures, where=f"restored, {self.host}:")
        self.figures.add("orders created", self.created)
        self.figures.add("add calls received", self._sent)
        product.retire(self.provider)


def _stop_by_hand(provider_id: int) -> None:
    """Stop the whole panel for a restore, as staff do where the guard stopped only the provider."""
    if not is_restore_open():
        stop_sending(reason=StopReason.RESTORED, text="This host was rolled back.")
        for stop in open_stops().filter(provider=provider_id):
            resume_sending(stop=stop, actor=None)


def _has_worked(*, since: datetime) -> bool:
    return Heartbeat.objects.filter(task="submit_orders", beat_at__gt=since).exists()


def _file() -> Path:
    return Path(settings.DATABASES["default"]["NAME"])


def _mark() -> Path:
    return Path(settings.VAR_DIR) / storage.FILE


def _url() -> str:
    return os.environ["DATABASE_URL"]


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr[-2_000:]}")
