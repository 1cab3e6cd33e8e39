"""The orders that the sandbox accepted, their money, and their refills.

The balance is always the opening balance less what is kept of every order: the charge is taken in the transaction
that creates the row, and the refund for what was not delivered is posted once, in the transaction that marks the
order as final.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from panel.sandbox import delivery
from panel.sandbox.delivery import CANCELED, COMPLETED, PARTIAL
from panel.sandbox.order import ENDS, SandboxOrder, plain
from panel.sandbox.placing import NewOrder, OrderRejected
from panel.sandbox.store import Store

REFILL_EVERY_SECONDS = 24 * 3600


def id_after(order_id: int) -> int:
    """Return the id of our next order. The ids in between belong to the provider's other customers."""
    return order_id + 1 + (order_id * 2_654_435_761 >> 7) % 3


@dataclass(frozen=True, slots=True)
class SandboxRefill:
    """One refill of one order."""

    id: int
    order_id: int
    status: str


class OrderBook:
    """All orders and refills of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def balance(self) -> int:
        """Return the micro-units left, after refunding everything that has ended by now."""
        with self._store.transaction() as connection:
            self._finish_due(connection)
            return _balance(connection)

    def set_balance(self, micros: int) -> None:
        """Set what is left to spend; orders that end later are added to it."""
        with self._store.transaction() as connection:
            self._finish_due(connection)
            connection.execute("UPDATE account SET balance = ?", (micros,))

    def place(self, new: NewOrder, *, request_id: str | None = None) -> int:
        """Store the order and take its charge in one transaction. Return its id.

        Raise OrderRejected if the balance is too small or `request_id` was used for another order; for the same
        order, return the first one's id.
        """
        params = json.dumps(new.params)
        with self._store.transaction() as connection:
            if request_id:
                row = connection.execute("SELECT id, params FROM orders WHERE request_id = ?", (request_id,)).fetchone()
                if row is not None:
                    if json.loads(row["params"]) != new.params:
                        raise OrderRejected("Incorrect request: request_id was used for another order")
                    return int(row["id"])
            self._finish_due(connection)
            if _balance(connection) < new.charge:
                raise OrderRejected("Not enough funds on balance")
            order_id: int = connection.execute("SELECT next_order_id FROM account").fetchone()[0]
            plan = delivery.plan_delivery(order_id=order_id, quantity=new.quantity, link=new.link)
            now = self._store.now()
            connection.execute(
                "INSERT INTO orders (id, service, type, link, quantity, charge, params, request_id,"
                " plan, accepted_at, ends_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    order_id,
                    new.service,
                    new.type,
                    new.link,
                    new.quantity,
                    new.charge,
                    params,
                    request_id,
                    json.dumps(asdict(plan)),
                    now,
                    None if plan.ends_after is None else now + plan.ends_after,
                ),
            )
            connection.execute(
                "UPDATE account SET balance = balance - ?, next_order_id = ?", (new.charge, id_after(order_id))
            )
        return order_id

    def skip_ids(self, count: int) -> None:
        """Skip `count` ids, as if other customers had ordered."""
        with self._store.transaction() as connection:
            connection.execute("UPDATE account SET next_order_id = next_order_id + ?", (count,))

    def find(self, order_ids: Iterable[int]) -> dict[int, SandboxOrder]:
        """Return the orders that exist, by id, in one query."""
        rows = self._store.rows(
            "SELECT * FROM orders WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(order_ids)),),
        )
        return {row["id"]: SandboxOrder.from_row(row) for row in rows}

    def all(self) -> list[SandboxOrder]:
        """Return every order, oldest first."""
        with self._store.transaction() as connection:
            self._finish_due(connection)
            rows = connection.execute("SELECT * FROM orders ORDER BY id").fetchall()
        return [SandboxOrder.from_row(row) for row in rows]

    def latest(self, count: int) -> list[SandboxOrder]:
        """Return the newest orders, newest first."""
        rows = self._store.rows("SELECT * FROM orders ORDER BY id DESC LIMIT ?", (count,))
        return [SandboxOrder.from_row(row) for row in rows]

    def count(self) -> int:
        return int(self._store.rows("SELECT count(*) FROM orders")[0][0])

    def cancel(self, order_id: int) -> None:
        """End a running order at what is delivered by now. Raise OrderRejected if it is not running."""
        with self._store.transaction() as connection:
            order, now = self._one(connection, order_id), self._store.now()
            at = order.progress(now)
            if plain(at.status) == "completed":
                raise OrderRejected("Order already completed")
            if plain(at.status) in ENDS:
                raise OrderRejected("Cannot cancel: the order has ended")
            if "status" in order.forced:
                ended = CANCELED if at.delivered <= 0 else PARTIAL if at.remains > 0 else COMPLETED
                self._force(connection, order, {"status": ended, "remains": at.remains})
                return
            connection.execute("UPDATE orders SET canceled_at = ?, ends_at = ? WHERE id = ?", (now, now, order_id))
            self._finish(connection, self._one(connection, order_id), now)

    def force(self, order_id: int, changes: dict[str, Any]) -> None:
        """Force the state of an order from now on; its money follows at once. Raise LookupError if unknown."""
        with self._store.transaction() as connection:
            self._force(connection, self._one(connection, order_id), changes)

    def ask_refill(self, order_id: int) -> int:
        """Create a refill and return its id.

        Raise OrderRejected unless the order is Completed and none was requested in the last 24 hours (of sandbox
        time).
        """
        with self._store.transaction() as connection:
            order, now = self._one(connection, order_id), self._store.now()
            if plain(order.progress(now).status) != "completed":
                raise OrderRejected("Order not completed")
            last = connection.execute("SELECT max(asked_at) FROM refills WHERE order_id = ?", (order_id,)).fetchone()[0]
            if last is not None and now - last < REFILL_EVERY_SECONDS:
                raise OrderRejected("The last refill was less than 24 hours ago")
            cursor = connection.execute("INSERT INTO refills (order_id, asked_at) VALUES (?, ?)", (order_id, now))
            return int(cursor.lastrowid or 0)

    def find_refills(self, refill_ids: Iterable[int]) -> dict[int, SandboxRefill]:
        """Return the refills that exist, by id, in one query."""
        rows = self._store.rows(
            "SELECT refills.*, orders.link FROM refills JOIN orders ON orders.id = order_id"
            " WHERE refills.id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(refill_ids)),),
        )
        now = self._store.now()
        return {
            row["id"]: SandboxRefill(
                row["id"],
                row["order_id"],
                row["forced_status"] or delivery.refill_status_at(elapsed=now - row["asked_at"], link=row["link"]),
            )
            for row in rows
        }

    def force_refill(self, refill_id: int, status: str) -> None:
        """Force the status of a refill. Raise LookupError if it does not exist."""
        with self._store.transaction() as connection:
            cursor = connection.execute("UPDATE refills SET forced_status = ? WHERE id = ?", (status, refill_id))
            if cursor.rowcount != 1:
                raise LookupError(f"no refill {refill_id}")

    def _one(self, connection: sqlite3.Connection, order_id: int) -> SandboxOrder:
        row = connection.execute("SELECT * FROM orders WHERE id = ?", (order_id,)).fetchone()
        if row is None:
            raise LookupError(f"no order {order_id}")
        return SandboxOrder.from_row(row)

    def _force(self, connection: sqlite3.Connection, order: SandboxOrder, changes: dict[str, Any]) -> None:
        forced = {**order.forced, **changes}
        connection.execute("UPDATE orders SET forced = ? WHERE id = ?", (json.dumps(forced), order.id))
        self._finish(connection, self._one(connection, order.id), self._store.now())

    def _finish_due(self, connection: sqlite3.Connection) -> None:
        now = self._store.now()
        due = connection.execute("SELECT * FROM orders WHERE settled = 0 AND ends_at <= ?", (now,)).fetchall()
        for row in due:
            self._finish(connection, SandboxOrder.from_row(row), now)

    def _finish(self, connection: sqlite3.Connection, order: SandboxOrder, now: float) -> None:
        """Adjust the money of one order to its state; repeating it changes nothing."""
        ended = order.ended(now)
        refunded = order.charge - order.kept(now) if ended else 0
        ends_at = None
        if "status" not in order.forced and order.plan.ends_after is not None:
            ends_at = order.accepted_at + order.plan.ends_after
        connection.execute(
            "UPDATE orders SET refunded = ?, settled = ?, ends_at = ? WHERE id = ?",
            (refunded, ended, ends_at, order.id),
        )
        connection.execute("UPDATE account SET balance = balance + ?", (refunded - order.refunded,))


def _balance(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT balance FROM account").fetchone()[0])
