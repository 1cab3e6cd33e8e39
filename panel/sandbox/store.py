"""The state of the sandbox in one SQLite file: account, clock, orders, refills, changed services.

One connection behind one lock: each reader or writer is alone, and every change is a transaction, so that a process
killed at any moment leaves an order with its charge, or neither.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from panel.sandbox.clock import Clock

FIRST_ORDER_ID = 23_501

_SCHEMA = """
CREATE TABLE IF NOT EXISTS account (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    balance INTEGER NOT NULL,             -- micro-units
    next_order_id INTEGER NOT NULL,
    clock_wall REAL NOT NULL,
    clock_sandbox REAL NOT NULL,
    clock_speed REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY,
    service INTEGER NOT NULL,
    type TEXT NOT NULL,
    link TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    charge INTEGER NOT NULL CHECK (charge >= 0),    -- micro-units, taken when accepted
    refunded INTEGER NOT NULL DEFAULT 0,            -- micro-units, given back when it ended
    params TEXT NOT NULL,                           -- JSON, as they came, without the key
    request_id TEXT UNIQUE,
    plan TEXT NOT NULL,                             -- JSON of delivery.Plan
    forced TEXT,                                    -- JSON of what a test decided
    accepted_at REAL NOT NULL,                        -- sandbox seconds, as all times below
    canceled_at REAL,
    ends_at REAL,
    settled INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS orders_to_settle ON orders (ends_at) WHERE settled = 0;
CREATE TABLE IF NOT EXISTS refills (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id INTEGER NOT NULL REFERENCES orders (id),
    asked_at REAL NOT NULL,
    forced_status TEXT
);
CREATE INDEX IF NOT EXISTS refills_of_order ON refills (order_id);
CREATE TABLE IF NOT EXISTS changed_services (
    id INTEGER PRIMARY KEY,
    changes TEXT NOT NULL                           -- JSON of the changed fields
);
"""


class Store:
    """The open file. `path` None keeps everything in memory.

    `balance` (micro-units) counts only for a new file. The clock of an old file goes on, at the new `speed`, from
    where it would stand if the process had never stopped.
    """

    def __init__(self, path: str | Path | None, *, balance: int, speed: float) -> None:
        if path is not None:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(
            ":memory:" if path is None else str(path),
            timeout=30,
            isolation_level=None,
            check_same_thread=False,
        )
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode=WAL")
        # Survives the death of the process; only a power cut could lose the last orders.
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_SCHEMA)
        now = time.time()
        with self.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO account VALUES (1, ?, ?, ?, 0, 0)",
                (balance, FIRST_ORDER_ID, now),
            )
            row = connection.execute("SELECT * FROM account").fetchone()
            kept = Clock(row["clock_wall"], row["clock_sandbox"], row["clock_speed"])
            self._set_clock(connection, kept.at_speed(speed, wall=now))

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run exclusively, all or nothing: for every write, and for reads that must agree with each other."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, sql: str, values: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        """Return all rows of one query."""
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def now(self) -> float:
        """Return sandbox time in seconds."""
        return self.time_at(time.time())

    def time_at(self, wall: float) -> float:
        """Return sandbox time in seconds at a moment since the store was opened, in seconds since 1970."""
        return self._clock.at(wall)

    def advance(self, seconds: float) -> None:
        """Move the sandbox's clock ahead by sandbox seconds."""
        with self.transaction() as connection:
            self._set_clock(connection, self._clock.moved(seconds))

    def _set_clock(self, connection: sqlite3.Connection, clock: Clock) -> None:
        connection.execute(
            "UPDATE account SET clock_wall = ?, clock_sandbox = ?, clock_speed = ?",
            (clock.wall, clock.sandbox, clock.speed),
        )
        self._clock = clock

    def close(self) -> None:
        with self._lock:
            self._connection.close()
