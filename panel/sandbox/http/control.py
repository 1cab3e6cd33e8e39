"""Control over HTTP, for a sandbox that runs in a process of its own.

`POST /_control` with JSON `{"key": …, "command": …, …}`; the other fields are the arguments of the method of
`SandboxServer` with the command's name. The answer is `{"result": …}`, or `{"error": …}` with status 400 or 403.
`call` is the client.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

Commands = Mapping[str, Callable[[dict[str, Any]], Any]]


class ControlFailed(Exception):
    """The sandbox refused a command; the text is its reason."""


def handle(body: bytes, *, commands: Commands, knows: Callable[[str], bool]) -> tuple[int, Any]:
    """Run one command. Return the HTTP status and the JSON value; amounts are decimal strings.

    `commands` take their arguments as received; `knows` says whether a key is the customer's.
    """
    try:
        given = json.loads(body)
    except ValueError:
        return 400, {"error": "not JSON"}
    if not isinstance(given, dict):
        return 400, {"error": "not an object"}
    if not knows(str(given.pop("key", ""))):
        return 403, {"error": "Invalid API key"}
    command = given.pop("command", None)
    if not isinstance(command, str) or command not in commands:
        return 400, {"error": f"no such command: {command!r}"}
    try:
        result = commands[command](given)
    except (ValueError, TypeError, LookupError, OverflowError) as error:
        return 400, {"error": str(error)}
    return 200, json.loads(json.dumps({"result": result}, default=str))


def call(base_url: str, key: str, command: str, **arguments: Any) -> Any:
    """Send one command to a running sandbox and return its result. Raise ControlFailed with its reason.

    Only the host and port of `base_url` are used, and no proxy.
    """
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
