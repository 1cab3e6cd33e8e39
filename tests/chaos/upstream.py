"""The providers of the chaos tests: sandboxes in this process, with faults that are chosen by name."""

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
# Faults that other modules name.
CLOSED_PORT = "closed-port"
DUPLICATE_ID = "duplicate-id"
# The first id that a sandbox gives: a second answer with it names another order.
ALREADY_TAKEN = 23_501

# Added to each wait for delayed processing.
_SPARE_SECONDS = 0.05
_ERROR_PAGE = b"<html><body>503 Service Unavailable</body></html>"


def _answer(body: bytes, *, status: int = 200, processed: bool = False) -> Fault:
    return faults.reply(status=status, body=body, processed=processed, action="add")


# Name → fault, built for a panel that waits `timeout` seconds for an answer.
FAULTS: dict[str, Callable[[float], Fault]] = {
    "refuse": lambda timeout: faults.refuse(),
    "drop-before": lambda timeout: faults.drop_before("add"),
    "drop-after": lambda timeout: faults.drop_after("add"),
    "reset-before": lambda timeout: faults.reset_before("add"),
    "reset-after": lambda timeout: faults.reset_after("add"),
    "truncate": lambda timeout: faults.truncate("add"),
    "drip": lambda timeout: faults.drip(timeout / 5, "add"),
    "late-answer": lambda timeout: faults.delay_after(timeout * 1.5, "add"),
    "late-processing": lambda timeout: faults.delay_before(timeout * 1.5, "add"),
    "500-before": lambda timeout: _answer(_ERROR_PAGE, status=500),
    "500-after": lambda timeout: _answer(_ERROR_PAGE, status=500, processed=True),
    "200-html": lambda timeout: _answer(_ERROR_PAGE, processed=True),
    "200-empty": lambda timeout: _answer(b"", processed=True),
    "no-id": lambda timeout: _answer(b'{"order": null}', processed=True),
    DUPLICATE_ID: lambda timeout: _answer(b'{"order": %d}' % ALREADY_TAKEN, processed=True),
    "bad-link": lambda timeout: _answer(b'{"error": "Bad link"}'),
    "no-funds": lambda timeout: _answer(b'{"error": "Not enough funds on balance"}'),
    "unknown-words": lambda timeout: _answer(b'{"error": "Ask the moon"}'),
    "429": lambda timeout: _answer(b"slow down", status=429),
    "redirect": lambda timeout: faults.redirect("http://127.0.0.1:9/", action="add"),
}

# Faults of the random run, half of them after the order was accepted. Without the duplicate id, which names the wrong
# order, and without the unknown error text, after which an order waits for staff.
_ACCEPTED = ("drop-after", "reset-after", "truncate", "drip", "late-answer", "late-processing")
_ACCEPTED += ("500-after", "200-html", "200-empty", "no-id")
_NOT_ACCEPTED = ("drop-before", "reset-before", "500-before", "bad-link", "no-funds", "429", "redirect")


def sandbox(faults: FaultQueue, *, request_ids: bool, speed: float = 0) -> SandboxServer:
    """Return a provider that sells service 1 at $2 per 1,000 and has enough balance for any run."""
    server = SandboxServer(
        # Unique, because the panel takes equal keys for the same provider account.
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
    """Return the orders that each provider accepted, by the provider's primary key in the panel."""
    return {pk: server.orders() for pk, server in servers.items()}


class NamedFaults(FaultQueue):
    """A queue of faults that counts by name which have occurred. `timeout`: seconds the panel waits for an answer."""

    def __init__(self, timeout: float) -> None:
        super().__init__()
        self.struck: Counter[str] = Counter()
        self._timeout = timeout
        self._names: dict[int, str] = {}
        self._busy_until = 0.0

    def arm(self, name: str) -> None:
        """Let the next `add` call meet this fault."""
        fault = self.fault_of(name)
        self._names[id(fault)] = name
        self.inject(fault)

    def fault_of(self, name: str) -> Fault:
        return FAULTS[name](self._timeout)

    def note(self, name: str, fault: Fault) -> None:
        """Count the fault, and remember until when it delays a call."""
        self.struck[name] += 1
        if fault.delay_before:
            self._busy_until = max(self._busy_until, time.monotonic() + fault.delay_before + _SPARE_SECONDS)

    def wait_until_quiet(self) -> None:
        """Wait until all delayed calls were processed, so that the audit sees them."""
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
    """Lets 40 of 100 `add` calls meet a fault, and some other calls, in a sequence that depends on the seed."""

    # The share of `add` calls, of other calls and of connections that meet a fault.
    ADDS, CALLS, CONNECTIONS = 0.39, 0.1, 0.01

    def __init__(self, timeout: float, *, seed: str) -> None:
        super().__init__(timeout)
        self._draw = random.Random(seed)
        self._drawing = threading.Lock()
        self.calm = False
        # Set at each `add` call: a good moment to kill a worker.
        self.met_add = threading.Event()

    def take(self, action: str | None) -> Fault | None:
        is_add = action == "add"
        if is_add:
            self.met_add.set()
        with self._drawing:
            if self.calm or self._draw.random() >= (self.ADDS if is_add else self.CALLS):
                return None
            name = self._draw.choice(self._draw.choice((_ACCEPTED, _NOT_ACCEPTED)))
        fault = self.fault_of(name) if is_add else faults.drop_before(action)
        self.note(name if is_add else "other calls", fault)
        return fault

    def take_refusal(self) -> Fault | None:
        with self._drawing:
            if self.calm or self._draw.random() >= self.CONNECTIONS:
                return None
        fault = self.fault_of("refuse")
        self.note("refuse", fault)
        return fault
