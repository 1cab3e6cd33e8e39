"""A provider in its own process, so that it does not share the GIL of the measured code.

It answers `add` with the next id and `status` with a fixed answer for each id; it accepts each cancel and refill, and
has a balance. Each answer comes after a fixed wait. `Upstream` starts it and controls it over standard input and
output: its first line of output is its port, each line of input requests what it has received since, and it exits at
the end of input.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl

ROOT = Path(__file__).resolve().parents[2]


def _row(status: str, remains: int, charge: str) -> dict[str, str]:
    return {"charge": charge, "start_count": "50", "status": status, "remains": str(remains), "currency": "USD"}


# The statuses of every hundred orders, each of 1,000 at a rate of $2.
_HUNDRED = (
    *[_row("In progress", 400, "2.00")] * 60,
    *[_row("Pending", 1_000, "2.00")] * 30,
    *[_row("Completed", 0, "2.00")] * 8,
    *[_row("Partial", 250, "1.50")] * 2,
)


def answer_about(order: int) -> dict[str, str]:
    """Return the answer of `status` about the order with this id."""
    return _HUNDRED[order % 100]


class Asked(NamedTuple):
    """The `status` calls with one API key: their number, the distinct ids in them, and the most calls with one id."""

    calls: int
    ids: int
    most: int


class Upstream:
    """Starts and controls the provider's process. `latency` is the milliseconds before each answer.

    Of 100 orders, the connections of `cut` are closed instead of an answer, and `hung` are never answered. All of
    them are accepted. The process answers on every address of the loopback, each a host of its own.
    """

    def __init__(self, *, latency: float = 0, cut: int = 0, hung: int = 0) -> None:
        values = map(str, (latency / 1_000, cut, hung))
        self._command = [sys.executable, "-m", "tests.bench.upstream", *values]

    def __enter__(self) -> Self:
        # In its own session, so that Ctrl-C ends only the bench; the provider then exits at the end of its input.
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self._port = int(self._read())
        self.url = self.url_of(1)
        return self

    def url_of(self, host: int) -> str:
        """Return the address of one of the hosts, from 1 to 250."""
        return f"http://127.0.0.{host}:{self._port}/api/v2"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def take_links(self) -> list[str]:
        """Return the links of the orders received since the last call, in the order of arrival."""
        return self._take("links")

    def take_asked(self) -> dict[str, Asked]:
        """Return the `status` calls received since the last call, by API key."""
        return {key: Asked(*asked) for key, asked in self._take("asked").items()}

    def _take(self, what: str) -> Any:
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return json.loads(self._read())

    def _read(self) -> str:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the provider's process has ended")
        return line


class _Provider:
    """The server in the process: HTTP/1.1 with persistent connections. Requests must be well-formed."""

    def __init__(self, wait: float, cut: int, hung: int) -> None:
        self._wait, self._cut, self._hung = wait, cut, hung
        self._draw = random.Random(1)
        self._last_id = 0
        self._links: list[str] = []
        self._calls: Counter[str] = Counter()
        self._asked: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._actions: dict[str, Callable[[dict[str, str]], Any]] = {
            "add": self._add,
            "status": self._status,
            "cancel": self._cancel,
            "refill": self._refill,
            "refill_status": self._refill_status,
            "balance": lambda params: {"balance": "1000.00", "currency": "USD"},
        }

    def take(self, what: str) -> Any:
        return {"links": self._take_links, "asked": self._take_asked}[what]()

    def _take_links(self) -> list[str]:
        links, self._links = self._links, []
        return links

    def _take_asked(self) -> dict[str, Asked]:
        found = {key: Asked(self._calls[key], len(ids), max(ids.values())) for key, ids in self._asked.items()}
        self._calls.clear()
        self._asked.clear()
        return found

    def _add(self, params: dict[str, str]) -> Any:
        self._last_id += 1
        self._links.append(params["link"])
        return {"order": self._last_id}

    def _status(self, params: dict[str, str]) -> Any:
        ids = (params.get("orders") or params["order"]).split(",")
        self._calls[params["key"]] += 1
        self._asked[params["key"]].update(ids)
        rows = {one: answer_about(int(one)) for one in ids}
        return rows if "orders" in params else rows[ids[0]]

    def _cancel(self, params: dict[str, str]) -> Any:
        return [{"order": int(one), "cancel": 1} for one in params["orders"].split(",")]

    def _refill(self, params: dict[str, str]) -> Any:
        if "orders" not in params:
            return {"refill": params["order"]}
        return [{"order": int(one), "refill": one} for one in params["orders"].split(",")]

    def _refill_status(self, params: dict[str, str]) -> Any:
        if "refills" not in params:
            return {"status": "Completed"}
        return [{"refill": int(one), "status": "Completed"} for one in params["refills"].split(",")]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # The client closed its connection, as it does at the end, or the process ends.
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request. Return whether another may follow on the connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        params = dict(parse_qsl((await reader.readexactly(int(headers["content-length"]))).decode()))
        action = self._actions.get(params.get("action", ""))
        answer = json.dumps(action(params) if action else {"error": "Incorrect request"}).encode()
        if self._wait:
            await asyncio.sleep(self._wait)
        if params.get("action") == "add" and not await self._is_answered():
            return False
        connection = headers.get("connection", "keep-alive")
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\nConnection: %s\r\n\r\n%s" % (len(answer), connection.encode(), answer)
        )
        await writer.drain()
        return connection != "close"

    async def _is_answered(self) -> bool:
        drawn = self._draw.randrange(100)
        if drawn < self._hung:
            await asyncio.sleep(3_600)
        return drawn >= self._hung + self._cut


async def _main(wait: float, cut: int, hung: int) -> None:
    provider = _Provider(wait, cut, hung)
    server = await asyncio.start_server(provider.serve, "0.0.0.0", 0, backlog=1_024)
    print(server.sockets[0].getsockname()[1], flush=True)
    while what := (await asyncio.to_thread(sys.stdin.readline)).strip():
        print(json.dumps(provider.take(what)), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
