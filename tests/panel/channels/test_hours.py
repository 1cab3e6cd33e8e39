"""When a channel tells something."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest

from panel.channels.hours import tell_at
from panel.channels.models import Channel


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-{text}:00+00:00").astimezone(UTC)


NIGHT = {"quiet_from": time(23), "quiet_until": time(7)}
NOON = {"quiet_from": time(12), "quiet_until": time(14)}


@pytest.mark.parametrize(
    ("values", "is_urgent", "now", "expected"),
    [
        ({}, False, "02T09:30", "02T09:30"),
        (NIGHT, False, "02T23:30", "03T07:00"),
        (NIGHT, False, "02T06:59", "02T07:00"),
        (NIGHT, False, "02T07:00", "02T07:00"),
        (NIGHT, True, "02T23:30", "02T23:30"),
        ({**NIGHT, "quiet_covers_urgent": True}, True, "02T23:30", "03T07:00"),
        (NOON, False, "02T13:00", "02T14:00"),
        (NOON, False, "02T11:00", "02T11:00"),
        ({"quiet_from": time(8), "quiet_until": time(8)}, False, "02T08:00", "02T08:00"),
        ({"pace": "hourly"}, False, "02T09:30", "02T10:00"),
        ({"pace": "hourly", **NIGHT}, False, "02T22:30", "03T07:00"),
        ({"pace": "daily"}, False, "02T09:30", "03T08:00"),
        ({"pace": "daily"}, False, "02T07:30", "02T08:00"),
        ({"pace": "daily"}, True, "02T07:30", "02T07:30"),
        ({"pace": "never"}, False, "02T09:30", None),
        ({"pace": "never"}, True, "02T09:30", "02T09:30"),
    ],
)
def test_time_when_something_happens_then_after_quiet_or_with_the_digest(values, is_urgent, now, expected, settings):
    settings.TIME_ZONE = "UTC"
    channel = Channel(name="Any", **values)
    assert tell_at(channel, is_urgent=is_urgent, now=at(now)) == (at(expected) if expected else None)
