"""The providers of the chaos: sandboxes in this process, and the faults that strike them by name."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable

from panel.sandbox.http import faults
from panel.sandbox.http.faults import Fault, FaultQueue
from panel.sandbox.server import OrderSnapshot, SandboxServer

_NUMBERS = itertools.count(1)
CLOSED_PORT = "closed-port"
DUPLICATE_ID = "duplicate-id"
# The first id that a sandbox gives: when it comes again, another order has it.
ALREADY_TAKEN = 23_501

_SPARE_SECONDS = 0.05
_ERROR_PAGE = b"<html><body>503 Service Unavailable</body></html>"


def _says(body: bytes, *, status: int = 200, processed: bool = False) -> Fault:
    return faults.reply(status=status, body=body, processed=processed, action="add")


# name → the fault, for a panel that waits so many seconds for its answer.
FAULTS: dict[str, Callable[[float], Fault]] = {
    "refuse": lambda patience: faults.refuse(),
    "drop-before": lambda patience: faults.drop_before("add"),
    "drop-after": lambda patience: faults.drop_after("add"),
    "reset-before": lambda patience: faults.reset_before("add"),
    "reset-after": lambda patience: faults.reset_after("add"),
    "truncate": lambda patience: faults.truncate("add"),
    "drip": lambda patience: faults.drip(patience / 5, "add"),
    "late-answer": lambda patience: faults.delay_after(patience * 1.5, "add"),
    "late-processing": lambda patience: faults.delay_before(patience * 1.5, "add"),
    "500-before": lambda patience: _says(_ERROR_PAGE, status=500),
    "500-after": lambda patience: _says(_ERROR_PAGE, status=500, processed=True),
    "200-html": lambda patience: _says(_ERROR_PAGE, processed=True),
    "200-empty": lambda patience: _says(b"", processed=True),
    "no-id": lambda patience: _says(b'{"order": null}', processed=True),
    DUPLICATE_ID: lambda patience: _says(b'{"order": %d}' % ALREADY_TAKEN, processed=True),
    "bad-link": lambda patience: _says(b'{"error": "Bad link"}'),
    "no-funds": lambda patience: _says(b'{"error": "Not enough funds on balance"}'),
    "unknown-words": lambda patience: _says(b'{"error": "Ask the moon"}'),
    "429": lambda patience: _says(b"slow down", status=429),
    "redirect": lambda patience: faults.redirect("http://127.0.0.1:9/", action="add"),
}

# Of the random run, half and half. Not the duplicate id: it is a lie about which order is meant, and not the
# unknown words: each such order waits for staff, who are not here.
_PLACED = ("drop-after", "reset-after", "truncate", "drip", "late-answer", "late-processing")
_PLACED += ("500-after", "200-html", "200-empty", "no-id")
_NOT_PLACED = ("drop-before", "reset-before", "500-before", "bad-link", "no-funds", "429", "redirect")


def sandbox(faults: FaultQueue, *, request_ids: bool, speed: float = 0) -> SandboxServer:
    """A provider whose service 1 costs $2 for 1000, with money enough for any run."""
    server = SandboxServer(
        # A key of its own: to the panel, the same key is the same account.
        key=f"chaos-key-{next(_NUMBERS)}",
        request_ids=request_ids,
        speed=speed,
        balance="1000000",
        services=1,
        keep_requests=100_000,
    )
    server.set_service(1, rate="2", min=10, max=10_000, type="Default")
    server.faults = faults
    return server


def truth_of(servers: dict[int, SandboxServer]) -> dict[int, list[OrderSnapshot]]:
    """What each provider, by the panel's id of it, would bill."""
    return {pk: server.orders() for pk, server in servers.items()}


class NamedFaults(FaultQueue):
    """Counts what struck, by name."""

    def __init__(self, patience: float) -> None:
        super().__init__()
        self.struck: Counter[str] = Counter()
        self._patience = patience
        self._names: dict[int, str] = {}
        self._busy_until = 0.0

    def arm(self, name: str) -> None:
        """The next `add` meets this fault."""
        fault = self.made(name)
        self._names[id(fault)] = name
        self.inject(fault)

    def made(self, name: str) -> Fault:
        return FAULTS[name](self._patience)

    def note(self, name: str, fault: Fault) -> None:
        self.struck[name] += 1
        if fault.delay_before:
            self._busy_until = max(self._busy_until, time.monotonic() + fault.delay_before + _SPARE_SECONDS)

    def wait_until_quiet(self) -> None:
        """Returns once all that takes effect later has done so: it must not slip past the audit."""
        time.sleep(max(0.0, self._busy_until - time.monotonic()))

    def take(self, action: str | None) -> Fault | None:
        return self._noted(super().take(action))

    def take_refusal(self) -> Fault | None:
        return self._noted(super().take_refusal())

    def _noted(self, fault: Fault | None) -> Fault | None:
        if fault is not None:
            self.note(self._names.get(id(fault), "held answer"), fault)
        return fault


class RandomFaults(NamedFaults):
    """40 of 100 adds meet a fault, in a sequence that the seed decides; so do some other calls."""

    ADDS, CALLS, CONNECTIONS = 0.39, 0.1, 0.01

    def __init__(self, patience: float, *, seed: str) -> None:
        super().__init__(patience)
        self._draw = random.Random(seed)
        self._drawing = threading.Lock()
        self.calm = False
        # Set with each add: a good moment to kill somebody.
        self.met_add = threading.Event()

    def take(self, action: str | None) -> Fault | None:
        is_add = action == "add"
        if is_add:
            self.met_add.set()
        with self._drawing:
            if self.calm or self._draw.random() >= (self.ADDS if is_add else self.CALLS):
                return None
            name = self._draw.choice(self._draw.choice((_PLACED, _NOT_PLACED)))
        fault = self.made(name) if is_add else faults.drop_before(action)
        self.note(name if is_add else "other calls", fault)
        return fault

    def take_refusal(self) -> Fault | None:
        with self._drawing:
            if self.calm or self._draw.random() >= self.CONNECTIONS:
                return None
        fault = self.made("refuse")
        self.note("refuse", fault)
        return fault
