"""How long it takes until the owner is told, with real processes: a mail, a Telegram message and a webhook."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from panel.sandbox.http import faults
from panel.sandbox.server import SandboxServer
from tests.chain.panel import Panel
from tests.chain.processes import Process, Server
from tests.outages.broker import Broker
from tests.outages.forwarder import Forwarder
from tests.outages.test_broker_outages import needs_redis_server
from tests.panel.channels.servers import MailServer, Receiver, Telegram, running
from tests.ports import free_port

# Within minutes, also on a machine that does other work.
MAX_SECONDS = 120
RESOLVED = "Resolved: "
EMAIL = "telling@example.org"


class Installation:
    """Two web servers, two workers and beat, as the README starts them, and the three ways to reach the owner."""

    def __init__(self, folder: Path, closing: ExitStack) -> None:
        self.closing = closing
        self.smtp, self.hook = closing.enter_context(running(MailServer())), closing.enter_context(running(Receiver()))
        self.telegram = closing.enter_context(running(Telegram()))
        self.upstream = closing.enter_context(SandboxServer(key="telling-key", speed=0, balance="1000000", services=1))
        self.upstream.set_service(1, rate="2", min=10, max=10_000, type="Default")
        self.broker = Broker(folder)
        closing.callback(self.broker.close)
        self.panel = Panel(
            "telling",
            folder=folder,
            cache=13,
            CELERY_BROKER_URL=self.broker.url,
            EMAIL_URL=f"smtp://127.0.0.1:{self.smtp.port}",
            EMAIL_FROM="panel@example.org",
            TELEGRAM_API_URL=self.telegram.url,
        )
        closing.callback(self.panel.close)
        self.panel.start_worker()
        self.panel.do("migrate")
        self.panel.do("connect", name="North", url=self.upstream.url, api_key=self.upstream.key)
        self.panel.run("sync_catalog")
        [service] = self.panel.do("catalog")
        self.service = service["pk"]
        self.panel.do("make_customer", email=EMAIL, funds="1000")
        self.secret = self.panel.do("make_key", email=EMAIL, name="Shop")["secret"]
        self.panel.do("make_channels", hook=f"{self.hook.url}/hook", token=Telegram.TOKEN)
        self.environment = dict(self.panel.environment)
        self.database = None
        if self.environment["DATABASE_URL"].startswith("postgres"):
            self.database = closing.enter_context(Forwarder(self.environment["DATABASE_URL"]))
            self.environment["DATABASE_URL"] = self.database.url
        self.folder = self.panel.folder
        self.workers = [self.start(f"worker-{n}", "worker", "-n", f"w{n}@telling") for n in range(2)]
        self.beat = self.start("beat", "beat", "--scheduler", "celery.beat:Scheduler", "--pidfile=")
        port = free_port()
        gunicorn = ("-m", "gunicorn", "panel.wsgi", "--workers", "2", "--threads", "8", "--no-control-socket")
        self.web = Server(
            "web", *gunicorn, "--bind", f"127.0.0.1:{port}", port=port, folder=self.folder, environment=self.environment
        )
        closing.callback(self.web.close)
        self.web.wait()
        self.panel._sites.append(self.web)
        # Everybody has said that they live, and every task has run.
        time.sleep(25)

    def start(self, name: str, *command: str) -> Process:
        celery = (sys.executable, "-m", "celery", "-A", "panel", *command, "--loglevel", "INFO")
        process = Process(name, *celery, folder=self.folder, environment=self.environment)
        self.closing.callback(process.close)
        return process

    def told(self, words: str) -> dict[str, int]:
        """Return how many messages with these words each way has got."""
        return {
            "mail": sum(words in _text(str(mail["Subject"]), mail.get_content()) for mail in self.smtp.mails),
            "Telegram": sum(words in message["text"] for message in self.telegram.messages),
            "webhook": sum(_says(post.body.decode(), words) for post in self.hook.posts),
        }

    def times_raised(self, words: str) -> dict[str, int]:
        """Return how often each way told that this was raised, whatever else was in the message."""
        texts = {
            "mail": [_text(mail.get_content()) for mail in self.smtp.mails],
            "Telegram": [message["text"].partition("\n\n")[2] for message in self.telegram.messages],
        }
        return {
            way: sum(text.count(words) - text.count(RESOLVED + words) for text in found) for way, found in texts.items()
        }

    def seconds_until_told(self, words: str, begin: Callable[[], object]) -> dict[str, float]:
        """Do something and return after how many seconds each way had told of it."""
        before, began = self.told(words), time.monotonic()
        begin()
        took: dict[str, float] = {}
        while len(took) < 3 and time.monotonic() - began < MAX_SECONDS:
            now = self.told(words)
            took |= {way: time.monotonic() - began for way in now if way not in took and now[way] > before[way]}
            time.sleep(0.1)
        print(f"{words}: " + ", ".join(f"{way} after {seconds:.1f} s" for way, seconds in took.items()), flush=True)
        assert len(took) == 3, (words, took, self.web.printed()[-2_000:])
        return took


def _says(body: str, words: str) -> bool:
    """Return True if a webhook says so: what is resolved is its type, not a word of its text."""
    return words.removeprefix(RESOLVED) in body and ('"alert.resolved"' in body) is words.startswith(RESOLVED)


def _text(*parts: str) -> str:
    return " ".join(part.replace("\r\n", "\n") for part in parts)


@pytest.fixture
def installation(tmp_path: Any) -> Iterator[Installation]:
    with ExitStack() as closing:
        yield Installation(tmp_path, closing)


@pytest.mark.proof
@needs_redis_server
def test_owner_when_parts_die_then_told_within_two_minutes_and_once(installation):
    one = installation

    def kill_workers() -> None:
        for worker in one.workers:
            worker.signal(signal.SIGKILL)

    def start_workers() -> None:
        one.workers = [one.start(f"worker-{n}", "worker", "-n", f"w{n}@telling") for n in range(2, 4)]

    def break_provider() -> None:
        one.upstream.faults.inject(faults.drop_before("balance", times=None))
        one.upstream.faults.inject(faults.drop_before("add", times=None))
        one.upstream.faults.inject(faults.drop_before("status", times=None))
        for number in range(4):
            link = f"https://example.com/telling/{number}"
            one.panel.api(one.secret, "add", service=one.service, link=link, quantity=100)

    one.seconds_until_told("No worker runs.", kill_workers)
    one.seconds_until_told("Resolved: No worker runs.", start_workers)
    one.seconds_until_told("Redis does not answer", one.broker.close)
    one.seconds_until_told("Resolved: Redis does not answer", lambda: one.broker.restart_after(0))
    time.sleep(20)
    one.seconds_until_told("North", break_provider)
    if one.database:
        one.seconds_until_told("The database does not answer", one.database.cut)
        one.seconds_until_told("The database answers again", one.database.mend)
    for words in ("No worker runs.", "Redis does not answer:"):
        assert one.times_raised(words) == {"mail": 1, "Telegram": 1}, words
