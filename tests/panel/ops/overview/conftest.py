"""A panel in which all is well: what each test breaks."""

from __future__ import annotations

from typing import Any

import pytest

from panel.alerts.models import Process
from panel.alerts.services import record_heartbeat
from panel.channels.models import Channel
from panel.lib import clock
from panel.ops.watch.presence import arrive
from tests import make


@pytest.fixture
def mails_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panel.site.mail_setup.is_mail_set_up", lambda: True)


@pytest.fixture
def well(service: Any, mails_leave: None) -> Channel:
    """A provider with a service, a worker, a proof, a backup, a way to pay, and the channel that is returned."""
    arrive(Process.Kind.WORKER)
    for task in ("check_ledger", "backup", "mail"):
        record_heartbeat(task=task)
    make.payment_method()
    return Channel.objects.create(
        name="Phone", kind=Channel.Kind.WEBHOOK, target="https://x.example/", reached_at=now()
    )


def now() -> Any:
    return clock.now()
