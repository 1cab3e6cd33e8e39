from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fault_server import API_KEY, FaultServer

from catalog.upstream import UpstreamClient


@pytest.fixture
def server() -> Iterator[FaultServer]:
    server = FaultServer()
    yield server
    server.close()


@pytest.fixture
def make_client(server: FaultServer) -> Callable[..., UpstreamClient]:
    def make(**changes: object) -> UpstreamClient:
        settings: dict[str, object] = {
            "url": server.url,
            "api_key": API_KEY,
            "allow_private": True,
            "connect_timeout": 1.0,
            "add_timeout": 0.3,
            "read_timeout": 1.0,
            "services_timeout": 2.0,
        }
        return UpstreamClient(**{**settings, **changes})  # type: ignore[arg-type]

    return make
