"""Percent and moments as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from panel.lib.formats import moment_text, percent_text


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


def test_moment_when_written_then_day_first_and_to_the_minute(settings):
    settings.TIME_ZONE = "UTC"
    assert moment_text(datetime(2026, 3, 9, 7, 5, 59, tzinfo=UTC)) == "9 Mar 2026, 07:05"
