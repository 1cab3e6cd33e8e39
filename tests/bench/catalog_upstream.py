"""A sandbox provider in its own process, so that it does not share the GIL of the measured code."""

from __future__ import annotations

import multiprocessing
from decimal import Decimal
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

from panel.sandbox.catalog import build_services
from panel.sandbox.server import SandboxServer

KEY = "5f0c2d9e7b1a4c3f8e6d0b9a2c4e6f81"
# The rate of every twentieth service changes: 5%.
CHANGED_STEP = 20


class CatalogUpstream:
    """Starts and controls the provider's process. It lists `count` services."""

    def __init__(self, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, child_pipe = context.Pipe()
        self._process = context.Process(target=_serve, args=(child_pipe, count))

    def __enter__(self) -> Self:
        self._process.start()
        self.url: str = self._pipe.recv()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.send("end")
        self._process.join()

    def change_some(self) -> int:
        """Raise the rate of every twentieth service by a fifth. Return how many were changed."""
        self._pipe.send("change")
        return int(self._pipe.recv())


def _serve(pipe: Connection, count: int) -> None:
    with SandboxServer(key=KEY, speed=0, services=count) as server:
        pipe.send(server.url)
        while pipe.recv() == "change":
            listed = build_services(count)
            chosen = range(CHANGED_STEP, count + 1, CHANGED_STEP)
            for service_id in chosen:
                server.set_service(service_id, rate=Decimal(listed[service_id].rate * 6 // 5).scaleb(-6))
            pipe.send(len(chosen))
