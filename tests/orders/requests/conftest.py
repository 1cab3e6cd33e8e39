"""What tests of cancels and of refills share."""

from __future__ import annotations

import pytest

from orders.requests import queue, send


@pytest.fixture
def small_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten requests a call: a hundred, as the protocol allows, take long to make."""
    assert queue.BATCH == 100
    for module in (queue, send):
        monkeypatch.setattr(module, "BATCH", 10)
