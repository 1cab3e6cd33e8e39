"""Several processes tell the owner, and some are killed: each thing is told once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert
from panel.channels import deliveries
from panel.channels.messages import compose_due
from panel.channels.models import Delivery, Notice
from panel.channels.notices import plan_notices
from panel.channels.tell import tell_what_is_due
from tests.panel.channels.conftest import mail_channel, telegram_channel
from tests.panel.channels.servers import Telegram
from tests.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)

PROCESSES = 4


def bad() -> None:
    raise_alert(cause=Cause.UNREACHABLE, about=3, text="North does not answer.", level="danger")


@pytest.mark.parametrize("is_guarded", [True, False])
def test_alert_when_several_tell_at_once_then_one_message(telegram, monkeypatch, is_guarded):
    """With the claim off, each of them sends the message."""
    telegram_channel()
    bad()
    if not is_guarded:
        plan_notices()
        compose_due()
        monkeypatch.setattr(deliveries, "claim_due", claim_whatever_is_there)
        monkeypatch.setattr(deliveries, "_hand_over", lambda delivery: None)
        telegram.hold = threading.Event()
        threading.Thread(target=let_go, args=(telegram,), daemon=True).start()
    results = in_threads(*[tell_what_is_due] * PROCESSES)
    assert not [one for one in results if isinstance(one, AssertionError)]
    assert (len(telegram.messages) == 1) is is_guarded
    assert Notice.objects.count() == 1


def let_go(telegram: Telegram) -> None:
    """Answer once two have sent, however long a busy machine takes to start them."""
    soon(lambda: len(telegram.messages) > 1, seconds=60)
    assert telegram.hold
    telegram.hold.set()


def claim_whatever_is_there(rows: Any, *, limit: int, **values: Any) -> list[Delivery]:
    time.sleep(0.3)  # All have found it due by now.
    return list(rows.filter(state=Delivery.State.WAITING)[:limit])


def start(work: Callable[[], object]) -> int:
    """Run `work` again and again in a process of its own. Return its id."""
    for one in connections.all():
        one.close()
    pid = os.fork()
    if pid:
        return pid
    try:
        while True:
            work()
            time.sleep(0.02)
    finally:
        os._exit(1)


def kill(pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.mark.processes
def test_alert_when_four_processes_tell_and_all_are_killed_then_told_once(telegram, smtp, monkeypatch):
    """They are killed while Telegram has the message and has not answered."""
    monkeypatch.setattr(deliveries, "LEASE", timedelta(seconds=1))
    telegram_channel()
    mail_channel()
    bad()
    telegram.hold = threading.Event()
    killed = [start(tell_what_is_due) for _ in range(PROCESSES)]
    try:
        assert soon(lambda: telegram.messages and smtp.mails)
    finally:
        kill(killed)
    telegram.hold.set()
    others = [start(tell_what_is_due) for _ in range(PROCESSES)]
    try:
        assert soon(lambda: Delivery.objects.filter(state="waiting").count() == 0)
        time.sleep(0.5)
    finally:
        kill(others)
    assert len(telegram.messages) == len(smtp.mails) == 1
    assert Delivery.objects.get(channel__kind="telegram").state == Delivery.State.UNKNOWN


def soon(holds: Callable[[], Any], *, seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    return bool(holds())
