from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from catalog.upstream import UpstreamClient
from panel.lib.http import transport
from tests.catalog.upstream.fault_server import API_KEY, FaultServer
from tests.catalog.upstream.fault_tls import CERTIFICATES, demanding_context, make_certificate, server_context


@pytest.fixture
def server() -> Iterator[FaultServer]:
    server = FaultServer()
    yield server
    server.close()


@pytest.fixture
def make_client(request: pytest.FixtureRequest) -> Callable[..., UpstreamClient]:
    """Return a function that makes clients of `server`, or of the given `url`."""

    def make(**changes: object) -> UpstreamClient:
        settings: dict[str, object] = {
            "url": changes.get("url") or request.getfixturevalue("server").url,
            "api_key": API_KEY,
            "allow_private": True,
            # Long, so that a slow machine changes no outcome; tests of timeouts shorten them.
            "connect_timeout": 9.0,
            "add_timeout": 9.0,
            "read_timeout": 9.0,
            "services_timeout": 9.0,
        }
        return UpstreamClient(**{**settings, **changes})  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tls")
    paths = {name: folder / f"{name}.pem" for name in CERTIFICATES}
    for name, path in paths.items():
        make_certificate(path, **CERTIFICATES[name])
    return paths


@pytest.fixture(scope="session")
def trusted(certificates: dict[str, Path]) -> ssl.SSLContext:
    """Return a context that trusts all test certificates but "untrusted". Loading the machine's own ones is slow."""
    context = ssl.create_default_context()
    for name, path in certificates.items():
        if name != "untrusted":
            context.load_verify_locations(path)
    return context


@pytest.fixture
def tls(
    certificates: dict[str, Path], trusted: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], ssl.SSLContext]:
    """Return a function that makes a server's context from the name of its certificate."""
    monkeypatch.setattr(transport, "_tls_context", lambda: trusted)

    def make(name: str) -> ssl.SSLContext:
        if name == "demanding":
            return demanding_context(certificates["trusted"])
        return server_context(certificates[name])

    return make
