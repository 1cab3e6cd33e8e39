"""Waits that grow with each failure."""

from __future__ import annotations

from datetime import timedelta

import pytest

from panel.lib.backoff import MAX_JITTER, backoff, jitter

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.mark.parametrize(
    ("failures", "minutes"), [(-1, 1), (0, 1), (1, 2), (2, 4), (5, 32), (6, 60), (7, 60), (10**9, 60)]
)
def test_wait_when_failures_repeat_then_it_doubles_up_to_the_longest(failures, minutes):
    assert backoff(failures, first=MINUTE, longest=HOUR) == minutes * MINUTE


def test_wait_when_a_factor_is_given_then_it_grows_by_it():
    assert [backoff(n, first=MINUTE, longest=HOUR, factor=4) for n in range(4)] == [
        MINUTE,
        4 * MINUTE,
        16 * MINUTE,
        HOUR,
    ]


def test_jitter_when_drawn_then_within_a_fifth_and_different():
    found = {jitter() for _ in range(200)}
    assert len(found) > 100
    assert all(2 - MAX_JITTER <= one <= MAX_JITTER for one in found)
