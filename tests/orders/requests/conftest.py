"""Fixtures for tests of cancels and refills."""

from __future__ import annotations

import pytest

from orders.requests import queue, send


@pytest.fixture
def small_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten requests a call: a hundred, as the protocol allows, take long to create."""
    assert queue.BATCH == 100
    for module in (queue, send):
        monkeypatch.setattr(module, "BATCH", 10)
