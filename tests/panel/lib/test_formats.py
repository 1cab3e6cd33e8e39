"""Percents and moments as people read them."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from django.utils import timezone

from panel.lib.formats import (
    change_text,
    day_text,
    exact_moment_text,
    moment_text,
    near_moment_text,
    percent_text,
    short_moment_text,
    zone_text,
    zoned_moment_text,
)


@pytest.mark.parametrize(
    ("basis_points", "text"),
    [
        (0, "0%"),
        (500, "5%"),
        (250, "2.5%"),
        (2_505, "25.05%"),
        (-250, "−2.5%"),
        (-1, "−0.01%"),
        (123_450_000, "1,234,500%"),
        (None, "—"),
    ],
)
def test_percent_when_written_then_without_zeros_and_space(basis_points, text):
    assert percent_text(basis_points) == text


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (100, 110, "+10%"),
        (100, 88, "−12%"),
        (1000, 1015, "+1.5%"),
        (1000, 1, "−100%"),
        (10**9, 10**9 + 1, "+<0.1%"),
        (1, 100, "+9,900%"),
        (1000, 1099, "+9.9%"),
    ],
)
def test_change_when_written_then_short_and_never_zero(old, new, words):
    assert change_text(old=old, new=new) == words


def test_moment_when_written_then_day_first_in_the_panels_time_zone(settings):
    settings.TIME_ZONE = "Europe/Berlin"
    moment = datetime(2026, 3, 8, 23, 5, 59, tzinfo=UTC)
    assert moment_text(moment) == "9 Mar 2026, 00:05"
    assert zoned_moment_text(moment) == "9 Mar 2026, 00:05 CET"
    assert exact_moment_text(moment) == "9 Mar 2026, 00:05:59 CET"
    assert day_text(moment) == day_text(date(2026, 3, 9)) == "9 Mar 2026"


def test_short_moment_when_of_this_year_or_today_then_only_what_is_needed(monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: datetime(2026, 3, 8, 23, 5, tzinfo=UTC))
    assert short_moment_text(datetime(2026, 2, 1, 9, 30, tzinfo=UTC)) == "1 Feb, 09:30"
    assert short_moment_text(datetime(2025, 2, 1, 9, 30, tzinfo=UTC)) == "1 Feb 2025, 09:30"
    assert near_moment_text(datetime(2026, 3, 8, 23, 40, tzinfo=UTC)) == "23:40"
    with timezone.override("Asia/Tokyo"):
        assert near_moment_text(datetime(2026, 3, 9, 15, 0, tzinfo=UTC)) == "10 Mar, 00:00"


def test_zone_when_written_then_as_people_call_it():
    assert [zone_text(one) for one in ("America/Argentina/Buenos_Aires", "UTC")] == ["Buenos Aires", "UTC"]
