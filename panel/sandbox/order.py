"""One order as the provider knows it: a value that gives its state at a given time."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from panel.sandbox import delivery
from panel.sandbox.amounts import to_micros, to_text
from panel.sandbox.delivery import CANCELED, COMPLETED, PARTIAL, DeliveryPlan, Progress

# Statuses that end an order, normalised: tests force them in the spelling of any provider.
ENDS = {
    "completed": COMPLETED,
    "partial": PARTIAL,
    "partially completed": PARTIAL,
    "canceled": CANCELED,
    "cancelled": CANCELED,
    "refunded": CANCELED,
    "fail": CANCELED,
    "error": CANCELED,
}


@dataclass(frozen=True, slots=True)
class SandboxOrder:
    """One order as the provider knows it. Amounts are micro-units, times are sandbox seconds."""

    id: int
    service: int
    type: str
    link: str
    quantity: int
    charge: int
    refunded: int
    params: dict[str, str]
    plan: DeliveryPlan
    forced: dict[str, Any]
    accepted_at: float
    canceled_at: float | None

    @classmethod
    def from_row(cls, row: sqlite3.Row) -> SandboxOrder:
        return cls(
            id=row["id"],
            service=row["service"],
            type=row["type"],
            link=row["link"],
            quantity=row["quantity"],
            charge=row["charge"],
            refunded=row["refunded"],
            accepted_at=row["accepted_at"],
            canceled_at=row["canceled_at"],
            params=json.loads(row["params"]),
            plan=DeliveryPlan(**json.loads(row["plan"])),
            forced=json.loads(row["forced"] or "{}"),
        )

    def progress(self, now: float) -> Progress:
        """Return the state; a forced status brings matching remains, a forced count replaces its own."""
        canceled_after = None if self.canceled_at is None else self.canceled_at - self.accepted_at
        found = delivery.progress(
            self.plan,
            quantity=self.quantity,
            elapsed=now - self.accepted_at,
            canceled_after=canceled_after,
        )
        status, remains = found.status, found.remains
        start_count = found.start_count
        if "status" in self.forced:
            status = str(self.forced["status"])
            end = ENDS.get(plain(status))
            if end == COMPLETED:
                remains = 0
            elif end == CANCELED:
                remains = self.quantity
            elif end == PARTIAL and not 0 < remains < self.quantity:
                remains = self.quantity - self.quantity // 2
            start_count = 0 if plain(status) == "pending" else self.plan.start_count
        if "remains" in self.forced:
            remains = _integer(self.forced["remains"], otherwise=remains)
        return Progress(status, start_count, self.quantity - remains, remains)

    def kept(self, now: float) -> int:
        """Return what the provider keeps of the charge at `now`, in micro-units."""
        if "charge" in self.forced:
            try:
                return max(0, to_micros(str(self.forced["charge"])))
            except ValueError:
                pass  # shown as it is, but does not change what is kept
        at = self.progress(now)
        status = ENDS.get(plain(at.status), at.status)
        return delivery.kept_charge(status=status, charge=self.charge, quantity=self.quantity, remains=at.remains)

    def ended(self, now: float) -> bool:
        return plain(self.progress(now).status) in ENDS

    def answer(self, now: float) -> Any:
        """Return its row in `status`: forced values are shown unchanged, even unreadable ones."""
        if "answer" in self.forced:
            return self.forced["answer"]
        at = self.progress(now)
        shown = {
            "charge": to_text(self.kept(now)),
            "start_count": str(at.start_count),
            "status": at.status,
            "remains": str(at.remains),
            "currency": "USD",
        }
        for name in ("charge", "start_count", "status", "remains"):
            if name in self.forced:
                value = self.forced[name]
                shown[name] = str(value) if type(value) is int else value
        return shown


def plain(status: str) -> str:
    """Return a status without differences of case and underscores."""
    return status.strip().lower().replace("_", " ")


def _integer(value: object, *, otherwise: int) -> int:
    try:
        return int(str(value))
    except ValueError:
        return otherwise
