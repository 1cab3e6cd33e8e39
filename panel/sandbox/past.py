"""Orders that the sandbox has had for a while: a demo gives it a past, which it goes on with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from panel.sandbox.delivery import REFILL_ENDS_AFTER, DeliveryPlan
from panel.sandbox.order import SandboxOrder
from panel.sandbox.orderbook import id_after
from panel.sandbox.store import Store


@dataclass(frozen=True, slots=True)
class PastOrder:
    """An order of before. `charge` is in micro-units, `age` and `canceled_after` in sandbox seconds.

    `age` is the time since it was accepted. A cancel takes effect `canceled_after` its acceptance, perhaps only later.
    """

    service: int
    type: str
    link: str
    quantity: int
    charge: int
    params: dict[str, str]
    plan: DeliveryPlan
    age: float
    canceled_after: float | None = None

    def numbered(self, number: int, *, now: float) -> SandboxOrder:
        """Return the order under its id, at this sandbox time."""
        accepted_at = now - self.age
        return SandboxOrder(
            id=number,
            service=self.service,
            type=self.type,
            link=self.link,
            quantity=self.quantity,
            charge=self.charge,
            refunded=0,
            params=self.params,
            plan=self.plan,
            forced={},
            accepted_at=accepted_at,
            canceled_at=None if self.canceled_after is None else accepted_at + self.canceled_after,
        )


@dataclass(frozen=True, slots=True)
class PastRefill:
    """A refill of the order at this place of the list. `ends_in` is in sandbox seconds, negative if it has ended."""

    place: int
    ends_in: float
    forced_status: str | None = None


@dataclass(frozen=True, slots=True)
class RecordedPast:
    """The ids of the orders and refills, each in the sequence of the lists."""

    order_ids: list[int]
    refill_ids: list[int]


def record_past(
    store: Store, *, orders: Sequence[PastOrder], refills: Sequence[PastRefill], balance: int, wall: float
) -> RecordedPast:
    """Store these orders, the oldest first, and refills in one transaction, and set the balance (micro-units).

    Ages count from `wall`, in seconds since 1970. The balance has the refunds of what had ended by then; the others are
    added when they end. Recorded again, they get other ids.
    """
    with store.transaction() as connection:
        now = store.time_at(wall)
        number: int = connection.execute("SELECT next_order_id FROM account").fetchone()[0]
        order_ids, rows = [], []
        for past in orders:
            order = past.numbered(number, now=now)
            ends = [after for after in (order.plan.ends_after, past.canceled_after) if after is not None]
            has_ended = order.ended(now)
            rows.append(
                (
                    number,
                    order.service,
                    order.type,
                    order.link,
                    order.quantity,
                    order.charge,
                    order.charge - order.kept(now) if has_ended else 0,
                    json.dumps(order.params),
                    json.dumps(asdict(order.plan)),
                    order.accepted_at,
                    order.canceled_at,
                    order.accepted_at + min(ends) if ends else None,
                    has_ended,
                )
            )
            order_ids.append(number)
            number = id_after(number)
        connection.executemany(
            "INSERT INTO orders (id, service, type, link, quantity, charge, refunded, params, plan, accepted_at,"
            " canceled_at, ends_at, settled) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        refill_ids = []
        for refill in refills:
            asked_at = now + refill.ends_in - REFILL_ENDS_AFTER
            cursor = connection.execute(
                "INSERT INTO refills (order_id, asked_at, forced_status) VALUES (?, ?, ?)",
                (order_ids[refill.place], asked_at, refill.forced_status),
            )
            refill_ids.append(int(cursor.lastrowid or 0))
        connection.execute("UPDATE account SET balance = ?, next_order_id = ?", (balance, number))
    return RecordedPast(order_ids, refill_ids)
