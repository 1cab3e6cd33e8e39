"""A panel that is upgraded while it has work of every kind: what the release before leaves, and what this one finds."""

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

# Seconds for what the worker has to do, on a machine that is busy with other things.
PATIENCE = 180

OWNER, CUSTOMER, FORGETFUL = "owner@example.org", "alice@example.org", "bob@example.org"
# The first has the link already, to the other its mail is not sent yet.
INVITED, INVITED_LATELY = "carol@example.org", "dave@example.org"
PASSWORD = "correct horse battery"
ALERT = "Somebody must look at this"

# Django's backend writes it into a file after each mail.
_BETWEEN_MAILS = b"-" * 79


def link_of(name: str) -> str:
    return f"https://example.com/upgrade/{name}"


class Upgrade:
    """Both releases around one database, cache, broker, folder of mails, and two providers that stand still."""

    def __init__(self, before: Path, folder: Path, closing: ExitStack, *, in_file: bool) -> None:
        self.mail_folder = folder / "mails"
        self.broker = Broker(folder)
        closing.callback(self.broker.close)
        database = Database(folder, in_file=in_file)
        closing.callback(database.drop)
        self.upstream, self.reserve = (closing.enter_context(_provider(name)) for name in ("main", "reserve"))
        environment = {
            "DJANGO_SETTINGS_MODULE": "panel.settings",
            "ENV_FILE": "/dev/null",
            "VAR_DIR": str(folder),
            "SECRET_KEY": "only-for-the-tests-of-upgrades-" * 3,
            "FIELD_ENCRYPTION_KEYS": "b25seS1mb3ItdGVzdHMtbm90LWEtcmVhbC1zZWNyZXQ=",
            "UPSTREAM_ALLOW_PRIVATE": "true",
            # The first slash of the path ends the host, which is none.
            "EMAIL_URL": f"filemail:///{self.mail_folder}",
            "DATABASE_URL": database.url,
            "CACHE_URL": f"rediscache://127.0.0.1:{self.broker.port}/1",
            "CELERY_BROKER_URL": self.broker.url,
        }
        both: dict[str, Any] = {"environment": environment, "closing": closing}
        self.old = Release(before, module="tests.upgrade.before", folder=folder / "before", **both)
        self.new = Release(ROOT, module="tests.upgrade.both", folder=folder / "this", **both)

    # -- the release before --------------------------------------------------------------------------

    def live_before(self) -> None:
        """Everything that a panel may be in the middle of."""
        self._open()
        self._order_and_follow()
        self._leave_waiting()
        self.seen_before = self.look(self.old)
        self.names_before = self.old.names()
        # What was ordered and asked so far has been hinted to the broker already; and now everything else.
        self.messages = self.old.do("publish")

    def _open(self) -> None:
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

    def _order_and_follow(self) -> None:
        names = ("followed", "completed", "partial", "to-cancel", "to-refill")
        self.orders = {name: self._order(name) for name in names}
        self.old.do("run", rounds=["submit_orders"])
        self.drip_link = self.old.do("start_drip_feed", email=CUSTOMER, service=self.service)
        self.old.do("run", rounds=["submit_orders"])
        self._say("followed", status="In progress", remains=70)
        self._say("completed", status="Completed", remains=0)
        self._say("to-refill", status="Completed", remains=0)
        self._say("partial", status="Partial", remains=40)
        self.old.do("run", rounds=["poll_orders"])
        self.upstream.inject(faults.drop_after("add"))
        self.orders["in-doubt"] = self._order("in-doubt")
        self.old.do("run", rounds=["submit_orders"])

    def _leave_waiting(self) -> None:
        do = self.old.do
        for name in ("queued-1", "queued-2", "queued-3"):
            self.orders[name] = self._order(name)
        wish = {"service": self.service, "link": link_of("queued-by-key"), "quantity": 100}
        self.orders["queued-by-key"] = do("api", secret=self.key, action="add", **wish)["order"]
        do("ask_cancel", order=self.orders["to-cancel"])
        do("ask_refill", order=self.orders["to-refill"])
        do("ask_deposit", email=CUSTOMER)
        do("open_alert", cause="upgrade", text=ALERT)
        # Once their sessions were ended, those of an account are signed in another way.
        do("change", model="accounts.User", chosen={"email": OWNER}, session_generation=2)
        self.sessions = {email: do("sign_in", email=email, password=PASSWORD) for email in (CUSTOMER, OWNER)}
        do("ask_reset", email=FORGETFUL)
        [text] = self.mails_to(FORGETFUL)
        self.reset_link = re.findall(r"http\S+/reset/key/\S+", text)[0]
        self.invitation_link = do("invite", email=INVITED)
        do("invite", email=INVITED_LATELY)
        do("beat_an_hour_ago")
        do("make_due")
        # What the provider says by now, and nobody has asked about yet.
        self._say("followed", status="In progress", remains=10)

    def _order(self, name: str) -> int:
        return self.old.do("order", email=CUSTOMER, service=self.service, link=link_of(name))

    def _say(self, name: str, **values: Any) -> None:
        """The provider says this of the order from now on."""
        [there] = [order for order in self.upstream.orders() if order.link == link_of(name)]
        self.upstream.set_order(there.id, **values)

    # -- this release --------------------------------------------------------------------------------

    def wait_until(self, process: Process, **wanted: Callable[[], bool]) -> None:
        """Returns once all of that is so."""
        deadline = time.monotonic() + PATIENCE
        while missing := [name for name, is_so in wanted.items() if not is_so()]:
            assert not process.exit_code and time.monotonic() < deadline, (missing, process.printed())
            time.sleep(0.2)

    # -- what is to be seen --------------------------------------------------------------------------

    def look(self, release: Release) -> dict[str, Any]:
        """What a release makes of the same rows, and tells customers of them."""
        ids = ",".join(str(pk) for pk in self.orders.values())
        ask = partial(release.do, "api", secret=self.key)
        return {
            "orders": release.do("orders"),
            "money": release.do("money", email=CUSTOMER),
            "services": ask(action="services"),
            "balance": ask(action="balance"),
            "statuses": ask(action="status", orders=ids),
        }

    def links_sent(self) -> Counter[str]:
        return Counter(order.link for order in self.upstream.orders())

    def mails_to(self, address: str) -> list[str]:
        """The texts of its mails, in no order."""
        found = []
        for path in self.mail_folder.glob("*.log"):
            for written in path.read_bytes().split(_BETWEEN_MAILS):
                mail = message_from_bytes(written.strip())
                if mail["To"] == address:
                    found.append(mail.get_payload(decode=True).decode())
        return found

    def order(self, name: str) -> dict[str, Any]:
        [found] = self.new.do("orders", pk=self.orders[name])
        return found


def _provider(name: str) -> SandboxServer:
    made = SandboxServer(key=f"upgrade-key-{name}", speed=0, services=1)
    made.set_service(1, rate="2", min=10, max=10_000, type="Default", cancel=True, refill=True)
    return made
