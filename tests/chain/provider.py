"""The sandbox provider in its own process, controlled over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from panel.sandbox.http.control import call
from tests.chain.processes import Server
from tests.ports import free_port

KEY = "sandbox-key-of-panel-a"


class SandboxProcess:
    """A sandbox with its sixty services, whose orders change only when a test changes them."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.base_url = f"http://127.0.0.1:{port}"
        options = ["--port", str(port), "--key", KEY, "--db", str(folder / "sandbox.sqlite3"), "--speed", "0"]
        self._server = Server(
            "sandbox",
            *("manage.py", "sandbox_provider", *options, "--control"),
            port=port,
            folder=folder,
            # The sandbox needs no settings, but Django does not start without these two.
            environment={"ENV_FILE": "/dev/null", "DEBUG": "true"},
        )

    @property
    def url(self) -> str:
        return f"{self.base_url}/api/v2"

    def wait(self) -> None:
        self._server.wait()

    def call(self, command: str, **arguments: Any) -> Any:
        """Call the method of `SandboxServer` with this name and return its result, converted by JSON."""
        return call(self.base_url, KEY, command, **arguments)

    def order(self, number: int | str) -> dict[str, Any]:
        [found] = [one for one in self.call("orders") if one["id"] == int(number)]
        return found

    def orders_to(self, link: str) -> list[dict[str, Any]]:
        return [one for one in self.call("orders") if one["link"] == link]

    def close(self) -> None:
        self._server.close()
