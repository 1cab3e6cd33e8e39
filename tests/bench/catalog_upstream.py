"""A sandbox provider in a process of its own, so that it does not share the GIL of what is measured."""

from __future__ import annotations

import multiprocessing
from decimal import Decimal
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

from panel.sandbox.catalog import build_services
from panel.sandbox.server import SandboxServer

KEY = "5f0c2d9e7b1a4c3f8e6d0b9a2c4e6f81"
# One service of so many changes its rate: 5 %.
CHANGED_EACH = 20


class CatalogUpstream:
    """The provider's process, as the bench sees it. It lists `count` services."""

    def __init__(self, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, count))

    def __enter__(self) -> Self:
        self._process.start()
        self.url: str = self._ours.recv()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ours.send("end")
        self._process.join()

    def change_some(self) -> int:
        """Every twentieth service costs a fifth more from now on; returns how many those are."""
        self._ours.send("change")
        return int(self._ours.recv())


def _serve(theirs: Connection, count: int) -> None:
    with SandboxServer(key=KEY, speed=0, services=count) as server:
        theirs.send(server.url)
        while theirs.recv() == "change":
            listed = build_services(count)
            chosen = range(CHANGED_EACH, count + 1, CHANGED_EACH)
            for service_id in chosen:
                server.set_service(service_id, rate=Decimal(listed[service_id].rate * 6 // 5).scaleb(-6))
            theirs.send(len(chosen))
