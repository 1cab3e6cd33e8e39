"""`/metrics`: whether sending is stopped."""

from __future__ import annotations

import pytest

from orders.common.stops import stop_sending
from orders.states import StopReason
from tests import make

pytestmark = pytest.mark.django_db


def test_metrics_when_sending_is_stopped_then_shown_by_provider(staff_client, provider):
    def shown() -> list[str]:
        lines = staff_client.get("/metrics").content.decode().splitlines()
        return [line for line in lines if "sending_stopped" in line and not line.startswith("#")]

    make.provider(name="Other", api_key="other")
    assert shown() == [
        "upmark_sending_stopped 0.0",
        'upmark_provider_sending_stopped{provider="Other"} 0.0',
        'upmark_provider_sending_stopped{provider="Upstream"} 0.0',
    ]
    stop_sending(reason=StopReason.BALANCE, text="Too low.", provider_id=provider.pk)
    stop_sending(reason=StopReason.CURRENCY, text="Euros.", provider_id=provider.pk)
    assert shown()[0] == "upmark_sending_stopped 0.0"
    assert shown()[1:] == [
        'upmark_provider_sending_stopped{provider="Other"} 0.0',
        'upmark_provider_sending_stopped{provider="Upstream"} 1.0',
    ]
    stop_sending(reason=StopReason.RESTORED, text="A backup was restored.")
    assert shown()[0] == "upmark_sending_stopped 1.0"
