"""Fixtures of a sandbox provider and its most frequent calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from panel.sandbox.server import SandboxServer

KEY = "k-test"
Call = Callable[..., Any]


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    """Run a sandbox whose clock stands still unless a test advances it."""
    with SandboxServer(key=KEY, speed=0, control=True) as running:
        yield running


@pytest.fixture
def call(server: SandboxServer) -> Call:
    """Send an action to the sandbox and return the answer's JSON."""

    def send(action: str, **params: Any) -> Any:
        data = {"key": KEY, "action": action, **params}
        response = requests.post(server.url, data=data, timeout=60)
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "application/json"
        return response.json()

    return send


@pytest.fixture
def add_order(call: Call) -> Callable[..., int]:
    """Create an order of service 2 (1.2 for 1000, refill, cancel, drip-feed) and return its id."""

    def add(word: str = "sandbox-completed", **params: Any) -> int:
        fields = {"service": 2, "link": f"https://example.com/{word}", "quantity": 1000, **params}
        return int(call("add", **fields)["order"])

    return add
