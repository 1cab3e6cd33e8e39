"""Fixtures of a demo: its data in the test's database, and its sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from panel.demo import setup
from panel.sandbox.server import SandboxServer
from tests.ports import free_port

PASSWORD = "a password for one test"


@pytest.fixture
def ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> setup.Ports:
    """Return the ports of a demo whose sandbox has a file of its own."""
    monkeypatch.setattr(setup, "SANDBOX_DB", tmp_path / "sandbox.sqlite3")
    return setup.Ports(web=free_port(), sandbox=free_port())


@pytest.fixture
def fill(ports: setup.Ports) -> Callable[[], None]:
    """Fill the demo, as each start of it does."""
    return lambda: setup.fill(password=PASSWORD, ports=ports)


@pytest.fixture
def sandbox(fill: Callable[[], None], ports: setup.Ports) -> Iterator[SandboxServer]:
    """Fill the demo, and run its sandbox with a clock that stands still."""
    fill()
    with SandboxServer(db_path=setup.SANDBOX_DB, port=ports.sandbox, key=setup.SANDBOX_KEY, speed=0) as server:
        yield server
