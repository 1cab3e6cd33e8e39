"""A machine whose clock is wrong: its worker does nothing, and says so until the clock is right."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from panel.alerts import clocks
from panel.alerts.clocks import may_work, offset_text
from panel.alerts.models import Alert, WrongClock
from panel.lib import clock

pytestmark = pytest.mark.django_db


@pytest.fixture
def offset(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The offset that each measurement finds, as its only element. Each call measures anew."""
    found, numbers = [0.0], itertools.count(1.0)
    monkeypatch.setattr(clock, "measured", lambda max_age: clock.Measurement(found[0], 0.01, next(numbers), 0.0))
    return found


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-10, "10 s ahead of"), (300, "5 min behind"), (-86_400, "24 h ahead of")],
)
def test_clock_when_wrong_then_no_work_and_one_alert(offset, seconds, text):
    offset[0] = seconds
    assert not may_work()
    assert not may_work()
    alert = Alert.objects.get()
    assert (alert.cause, alert.level, alert.count) == (f"clock:{WrongClock.objects.get().pk}", "danger", 2)
    assert f"{text} the database" in alert.text and "does nothing" in alert.text
    assert offset_text(seconds) == f"{text} the database"


def test_clock_when_right_again_then_works_and_alert_is_resolved(offset):
    offset[0] = 10
    assert not may_work()
    offset[0] = 0.5
    assert may_work()
    assert Alert.objects.get().resolved_at is not None
    assert not WrongClock.objects.exists()


def test_clock_when_right_then_alerts_of_other_machines_stay(offset):
    now = clock.now()
    lately = WrongClock.objects.create(machine="other", offset=9_000, measured_at=now - timedelta(minutes=1))
    gone = WrongClock.objects.create(machine="gone", offset=9_000, measured_at=now - timedelta(hours=2))
    for one in (lately, gone):
        Alert.objects.create(cause=f"clock:{one.pk}", text="Wrong.")
    assert may_work()
    assert list(WrongClock.objects.all()) == [lately]
    assert Alert.objects.get(resolved_at=None).cause == f"clock:{lately.pk}"
    assert clocks.wrong_clocks() == [lately]
