"""Faults to inject: what can go wrong between a client and a provider.

Each function returns one `Fault`; `SandboxServer.inject` arms it. A fault applies to the next `times` requests of
its `action` (None: of any), then it is used up; `times=None` applies until cleared. `processed` says whether the
request still takes effect: an `add` that is processed and then dropped has created its order.
"""

from __future__ import annotations

import base64
import dataclasses
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

End = Literal["answer", "drop", "reset", "refuse", "truncate", "drip"]
ENDS = frozenset({"answer", "drop", "reset", "refuse", "truncate", "drip"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. The parts combine: wait, process or not, wait, then end as `end` says.

    `delay_before` and `delay_after` are real seconds before and after processing; `gate` holds the answer back,
    after processing, until it is set (at most 30 s). `status`, `headers` and `body` replace those of the answer.
    `end`:

    - answer: send it
    - drop: close the connection normally, without an answer
    - reset: close it with RST, without an answer
    - refuse: RST as soon as the connection is accepted, nothing read; `action` must be None
    - truncate: announce the whole length, send half of the body, close
    - drip: send the body byte by byte, `drip_seconds` apart
    """

    end: End = "answer"
    action: str | None = None
    times: int | None = 1
    processed: bool = True
    delay_before: float = 0.0
    delay_after: float = 0.0
    drip_seconds: float = 0.01
    status: int | None = None
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    gate: threading.Event | None = None

    def __post_init__(self) -> None:
        if self.end not in ENDS:
            raise ValueError(f"no such end: {self.end!r}")
        if self.times is not None and self.times < 1:
            raise ValueError("a fault strikes at least once")
        if self.end == "refuse" and self.action is not None:
            raise ValueError("a refused connection has no action yet")

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Fault:
        """Return a fault from the control interface: fields by name, `body` as text or `body_base64`.

        Raise ValueError or TypeError for fields that do not exist or do not fit.
        """
        values = dict(data)
        encoded = values.pop("body_base64", None)
        if encoded is not None:
            values["body"] = base64.b64decode(encoded)
        elif isinstance(values.get("body"), str):
            values["body"] = values["body"].encode()
        if "gate" in values:
            raise ValueError("a gate cannot come over HTTP")
        return cls(**values)


def drop_before(action: str | None = None, *, times: int | None = 1) -> Fault:
    """Close the connection without an answer or processing."""
    return Fault(end="drop", processed=False, action=action, times=times)


def drop_after(action: str | None = None, *, times: int | None = 1) -> Fault:
    """Close the connection without an answer, after processing."""
    return Fault(end="drop", processed=True, action=action, times=times)


def reset_before(action: str | None = None, *, times: int | None = 1) -> Fault:
    """Reset the connection (RST) without processing."""
    return Fault(end="reset", processed=False, action=action, times=times)


def reset_after(action: str | None = None, *, times: int | None = 1) -> Fault:
    """Reset the connection (RST) after processing."""
    return Fault(end="reset", processed=True, action=action, times=times)


def refuse(*, times: int | None = 1) -> Fault:
    """Reset new connections as they are accepted, before anything is read.

    The client may notice while it connects, sends or reads.
    """
    return Fault(end="refuse", processed=False, times=times)


def delay_before(seconds: float, action: str | None = None, *, times: int | None = 1) -> Fault:
    """Wait, then process and answer: the request of a client that gives up is still processed."""
    return Fault(delay_before=seconds, action=action, times=times)


def delay_after(seconds: float, action: str | None = None, *, times: int | None = 1) -> Fault:
    """Process, wait, then answer."""
    return Fault(delay_after=seconds, action=action, times=times)


def reply(
    *,
    status: int = 200,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    processed: bool = False,
    action: str | None = None,
    times: int | None = 1,
) -> Fault:
    """Replace the status, the headers or the body.

    Without `body` a processed request keeps its own answer, and one not processed has an empty one.
    """
    return Fault(
        status=status,
        body=body,
        headers=headers or {},
        processed=processed,
        action=action,
        times=times,
    )


def redirect(
    location: str,
    *,
    status: int = 302,
    processed: bool = False,
    action: str | None = None,
    times: int | None = 1,
) -> Fault:
    """Redirect the client."""
    return reply(
        status=status,
        body=b"",
        headers={"Location": location},
        processed=processed,
        action=action,
        times=times,
    )


def truncate(action: str | None = None, *, processed: bool = True, times: int | None = 1) -> Fault:
    """Send half of the body, then close the connection."""
    return Fault(end="truncate", processed=processed, action=action, times=times)


def drip(
    seconds: float,
    action: str | None = None,
    *,
    processed: bool = True,
    times: int | None = 1,
) -> Fault:
    """Send the body byte by byte, `seconds` apart: each read succeeds, the whole takes long."""
    return Fault(end="drip", drip_seconds=seconds, processed=processed, action=action, times=times)


class FaultQueue:
    """The armed faults, in the order of injection; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[Fault] = []

    def inject(self, fault: Fault) -> None:
        with self._lock:
            self._armed.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._armed.clear()

    def armed(self) -> list[Fault]:
        """Return the faults that are not used up, each with its `times` left."""
        with self._lock:
            return list(self._armed)

    def take(self, action: str | None) -> Fault | None:
        """Return the first fault for a request of this action, and count it as used once."""
        return self._take(lambda f: f.end != "refuse" and f.action in (None, action))

    def take_refusal(self) -> Fault | None:
        """Return the first fault for a connection that was just accepted, and count it as used once."""
        return self._take(lambda f: f.end == "refuse")

    def _take(self, fits: Callable[[Fault], bool]) -> Fault | None:
        with self._lock:
            for index, fault in enumerate(self._armed):
                if not fits(fault):
                    continue
                if fault.times == 1:
                    del self._armed[index]
                elif fault.times is not None:
                    self._armed[index] = dataclasses.replace(fault, times=fault.times - 1)
                return fault
        return None
