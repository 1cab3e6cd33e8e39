"""A panel that is upgraded while it has work of every kind: both releases, and what can be seen of their work."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from email import message_from_bytes
from functools import partial
from pathlib import Path
from typing import Any

from panel.sandbox.http import faults
from panel.sandbox.server import SandboxServer
from tests.chain.databases import Database
from tests.chain.processes import ROOT, Process
from tests.outages.broker import Broker
from tests.upgrade.release import Release

# How long the worker may take for all work, on a busy machine.
MAX_SECONDS = 180

OWNER, CUSTOMER, FORGETFUL = "owner@example.org", "alice@example.org", "bob@example.org"
# The first has received the link already; the mail to the second is not sent yet.
INVITED, INVITED_LATELY = "carol@example.org", "dave@example.org"
PASSWORD = "correct horse battery"
PREFIX = "upgraded"
ALERT = "Somebody must look at this"

# The line that Django's file backend writes after each mail.
_BETWEEN_MAILS = b"-" * 79


def link_of(name: str) -> str:
    return f"https://example.com/upgrade/{name}"


class Upgrade:
    """Both releases with the same database, cache, broker, folder of mails, and two providers that change nothing."""

    def __init__(self, before: Path, folder: Path, closing: ExitStack, *, in_file: bool) -> None:
        self.mail_folder = folder / "mails"
        self.broker = Broker(folder)
        closing.callback(self.broker.close)
        database = Database(folder, in_file=in_file, empty=True)
        closing.callback(database.drop)
        self.upstream, self.reserve = (closing.enter_context(_provider(name)) for name in ("main", "reserve"))
        environment = {
            "DJANGO_SETTINGS_MODULE": "panel.settings",
            "ENV_FILE": "/dev/null",
            "VAR_DIR": str(folder),
            "SECRET_KEY": "only-for-the-tests-of-upgrades-" * 3,
            "FIELD_ENCRYPTION_KEYS": "b25seS1mb3ItdGVzdHMtbm90LWEtcmVhbC1zZWNyZXQ=",
            "UPSTREAM_ALLOW_PRIVATE": "true",
            # Three slashes: the host is empty.
            "EMAIL_URL": f"filemail:///{self.mail_folder}",
            "DATABASE_URL": database.url,
            "CACHE_URL": f"rediscache://127.0.0.1:{self.broker.port}/1",
            "CELERY_BROKER_URL": self.broker.url,
            "PANEL_PREFIX": PREFIX,
        }
        both: dict[str, Any] = {"environment": environment, "closing": closing}
        self.old = Release(before, module="tests.upgrade.before", folder=folder / "before", **both)
        self.new = Release(ROOT, module="tests.upgrade.both", folder=folder / "this", **both)

    # -- the release before --------------------------------------------------------------------------

    def live_before(self) -> None:
        """Let the release before leave work of every kind unfinished, and record what it shows of it."""
        self._set_up()
        self._create_polled_orders()
        self._create_waiting_work()
        self.shown_before = self.shown_by(self.old)
        self.names_before = self.old.names()
        # The broker already has the hints of all that was done so far. Now add a message for every task.
        self.messages = self.old.do("publish")

    def _set_up(self) -> None:
        do = self.old.do
        do("migrate")
        do("collect_static")
        do("make_owner", email=OWNER)
        do("make_customer", email=CUSTOMER, funds="100")
        do("make_customer", email=FORGETFUL, funds="0")
        self.key = do("make_key", email=CUSTOMER, name="Shop")["secret"]
        for name, upstream in (("Main", self.upstream), ("Reserve", self.reserve)):
            do("connect", name=name, url=upstream.url, api_key=upstream.key)
        do("run", rounds=["sync_catalog"])
        self.service, self.reserve_service = (one["pk"] for one in do("catalog"))
        do("set_margins", panel=4_000, service=self.service, of_service=6_000)

    def _create_polled_orders(self) -> None:
        names = ("running", "completed", "partial", "to-cancel", "to-refill")
        self.orders = {name: self._order(name) for name in names}
        self.old.do("run", rounds=["submit_orders"])
        self.drip_link = self.old.do("start_drip_feed", email=CUSTOMER, service=self.service)
        self.old.do("run", rounds=["submit_orders"])
        self._set_at_provider("running", status="In progress", remains=70)
        self._set_at_provider("completed", status="Completed", remains=0)
        self._set_at_provider("to-refill", status="Completed", remains=0)
        self._set_at_provider("partial", status="Partial", remains=40)
        self.old.do("run", rounds=["poll_orders"])
        self.upstream.inject(faults.drop_after("add"))
        self.orders["in-doubt"] = self._order("in-doubt")
        self.old.do("run", rounds=["submit_orders"])

    def _create_waiting_work(self) -> None:
        do = self.old.do
        for name in ("queued-1", "queued-2", "queued-3"):
            self.orders[name] = self._order(name)
        form = {"service": self.service, "link": link_of("queued-by-key"), "quantity": 100}
        self.orders["queued-by-key"] = do("api", secret=self.key, action="add", **form)["order"]
        do("cancel_order", order=self.orders["to-cancel"])
        do("refill_order", order=self.orders["to-refill"])
        do("start_deposit", email=CUSTOMER)
        do("open_alert", cause="upgrade", text=ALERT)
        # An account whose sessions were ended once has its later sessions signed differently.
        do("change", model="accounts.User", chosen={"email": OWNER}, session_generation=2)
        self.sessions = {email: do("sign_in", email=email, password=PASSWORD) for email in (CUSTOMER, OWNER)}
        do("reset_password", email=FORGETFUL)
        [text] = self.mails_to(FORGETFUL)
        self.reset_link = re.findall(r"http\S+/reset/key/\S+", text)[0]
        self.invitation_link = do("invite", email=INVITED)
        do("invite", email=INVITED_LATELY)
        do("beat_minutes_ago")
        do("make_due")
        # A change at the provider that no poll has seen yet.
        self._set_at_provider("running", status="In progress", remains=10)

    def _order(self, name: str) -> int:
        return self.old.do("order", email=CUSTOMER, service=self.service, link=link_of(name))

    def _set_at_provider(self, name: str, **values: Any) -> None:
        """Change the order at its provider."""
        [there] = [order for order in self.upstream.orders() if order.link == link_of(name)]
        self.upstream.set_order(there.id, **values)

    # -- this release --------------------------------------------------------------------------------

    def wait_until(self, process: Process, **conditions: Callable[[], bool]) -> None:
        """Wait until all conditions hold. Fail if the process ends with an error, or after MAX_SECONDS."""
        deadline = time.monotonic() + MAX_SECONDS
        while missing := [name for name, holds in conditions.items() if not holds()]:
            assert not process.exit_code and time.monotonic() < deadline, (missing, process.printed())
            time.sleep(0.2)

    # -- what can be seen ----------------------------------------------------------------------------

    def shown_by(self, release: Release) -> dict[str, Any]:
        """Return what a release reads from the same rows, and what its API answers about them."""
        ids = ",".join(str(pk) for pk in self.orders.values())
        call_api = partial(release.do, "api", secret=self.key)
        return {
            "orders": release.do("orders"),
            "money": release.do("money", email=CUSTOMER),
            "services": call_api(action="services"),
            "balance": call_api(action="balance"),
            "statuses": call_api(action="status", orders=ids),
        }

    def links_sent(self) -> Counter[str]:
        return Counter(order.link for order in self.upstream.orders())

    def mails_to(self, address: str) -> list[str]:
        """Return the texts of the mails to this address, in any order."""
        found = []
        for path in self.mail_folder.glob("*.log"):
            for written in path.read_bytes().split(_BETWEEN_MAILS):
                mail = message_from_bytes(written.strip())
                if mail["To"] == address:
                    # This release writes HTML beside the text.
                    text = next(part for part in mail.walk() if part.get_content_type() == "text/plain")
                    found.append(text.get_payload(decode=True).decode())
        return found

    def order(self, name: str) -> dict[str, Any]:
        [found] = self.new.do("orders", pk=self.orders[name])
        return found


def _provider(name: str) -> SandboxServer:
    made = SandboxServer(key=f"upgrade-key-{name}", speed=0, services=1)
    made.set_service(1, rate="2", min=10, max=10_000, type="Default", cancel=True, refill=True)
    return made
