"""Control over HTTP, for a sandbox that runs in a process of its own.

`POST /_control` with JSON `{"key": …, "command": …, …}`; the other fields are the arguments of the
method of `SandboxServer` with the command's name. The answer is `{"result": …}`, or `{"error": …}`
with status 400 or 403. `call` is the client.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .faults import Fault

if TYPE_CHECKING:
    from .server import SandboxServer

COMMANDS: dict[str, Callable[[SandboxServer, dict[str, Any]], Any]] = {
    "requests": lambda server, given: [asdict(entry) for entry in server.requests],
    "orders": lambda server, given: [asdict(order) for order in server.orders()],
    "balance": lambda server, given: server.balance,
    "set_order": lambda server, given: server.set_order(**given),
    "set_refill": lambda server, given: server.set_refill(**given),
    "set_service": lambda server, given: server.set_service(**given),
    "set_balance": lambda server, given: server.set_balance(**given),
    "advance": lambda server, given: server.advance(**given),
    "skip_order_ids": lambda server, given: server.skip_order_ids(**given),
    "set_dialect": lambda server, given: server.set_dialect(**given),
    "inject": lambda server, given: server.inject(Fault.from_json(given)),
    "clear_faults": lambda server, given: server.clear_faults(),
    "clear_requests": lambda server, given: server.clear_requests(),
}


class ControlFailed(Exception):
    """The sandbox refused a command; the text is its reason."""


def handle(server: SandboxServer, body: bytes) -> tuple[int, Any]:
    """Carry out one command: HTTP status and JSON value. Amounts are decimal strings."""
    try:
        given = json.loads(body)
    except ValueError:
        return 400, {"error": "not JSON"}
    if not isinstance(given, dict):
        return 400, {"error": "not an object"}
    if not server.provider.knows(str(given.pop("key", ""))):
        return 403, {"error": "Invalid API key"}
    command = given.pop("command", None)
    if not isinstance(command, str) or command not in COMMANDS:
        return 400, {"error": f"no such command: {command!r}"}
    try:
        result = COMMANDS[command](server, given)
    except (ValueError, TypeError, LookupError, OverflowError) as error:
        return 400, {"error": str(error)}
    return 200, json.loads(json.dumps({"result": result}, default=str))


def call(base_url: str, key: str, command: str, **arguments: Any) -> Any:
    """Send one command to a running sandbox and return its result; `ControlFailed` with its
    reason. Only the host and port of `base_url` count; no proxy is ever asked."""
    body = json.dumps({**arguments, "key": key, "command": command}, default=str)
    connection = http.client.HTTPConnection(urlsplit(base_url).netloc, timeout=30)
    try:
        connection.request("POST", "/_control", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise ControlFailed(answer.decode("utf-8", "replace"))
    return json.loads(answer)["result"]
