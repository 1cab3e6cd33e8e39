"""The points at which a process dies or stops, put around the panel's functions and SQL statements.

Each point has an installer: given an action, it wraps the function, statement or commit so that the action runs there.
Only child processes of the chaos tests install one.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import connection

Act = Callable[[], None]
Install = Callable[[Act], None]


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the panel's work.

    `role` is the round of work that passes it. `fault` is one that certainly leads there; with `alone`, no other does.
    `mode`: only this way of resolving doubts passes it. `first`: a point at which an earlier process has to die.
    """

    role: str
    install: Install
    fault: str = "none"
    mode: str = ""
    first: str = ""
    alone: bool = False


def wrap(path: str, around: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace "module:name" or "module:Class.name" by `around(original)`."""
    module_name, _, name = path.partition(":")
    owner: Any = importlib.import_module(module_name)
    *owners, name = name.split(".")
    for inner in owners:
        owner = getattr(owner, inner)
    original = getattr(owner, name)
    setattr(owner, name, functools.wraps(original)(around(original)))


def before(path: str) -> Install:
    """Act before each call of the function at `path`."""

    def install(act: Act) -> None:
        def around(original: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(*args: Any, **values: Any) -> Any:
                act()
                return original(*args, **values)

            return wrapped

        wrap(path, around)

    return install


def after(path: str) -> Install:
    """Act after each call of the function at `path`."""

    def install(act: Act) -> None:
        def around(original: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(*args: Any, **values: Any) -> Any:
                result = original(*args, **values)
                act()
                return result

            return wrapped

        wrap(path, around)

    return install


def statement(start: str, *, holding: str = "") -> Install:
    """Act right after a statement that starts with `start` and has `holding` among its parameters was executed."""

    def install(act: Act) -> None:
        def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            result = execute(sql, params, many, context)
            if sql.lstrip().startswith(start) and (not holding or holding in [str(one) for one in params or ()]):
                act()
            return result

        connection.execute_wrappers.append(wrapper)

    return install


def then(first: Install, second: Install) -> Install:
    """Act when `second` is passed for the first time after `first`."""
    return lambda act: first(lambda: second(act))


def _half_sent(act: Act) -> None:
    """Act when the head and half of the body have been sent."""

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        def sendall(self: Any, data: Any) -> None:
            if data.startswith(b"POST "):
                original(self, data)
                return
            original(self, data[: len(data) // 2])
            act()
            original(self, data[len(data) // 2 :])

        return sendall

    wrap("panel.lib.http.connections:_MeasuredSocket.sendall", around)


BEFORE_COMMIT = before("django.db.backends.base.base:BaseDatabaseWrapper.commit")
AFTER_COMMIT = after("django.db.backends.base.base:BaseDatabaseWrapper.commit")
ANSWERED = after("catalog.upstream.client:UpstreamClient.add")
SENT = before("panel.lib.http.connections:_MeasuredSocket.makefile")
CLAIMED = statement('UPDATE "orders_order"', holding="placing")
ATTEMPT_FINISHED = then(ANSWERED, statement('UPDATE "orders_placementattempt"'))
ORDER_MOVED = then(ANSWERED, statement('UPDATE "orders_order"'))
WALLET_MOVED = statement('UPDATE "billing_wallet"')
POSTED = statement('INSERT INTO "billing_entry"')
BOUND = statement('UPDATE "orders_order"', holding="placed")
DOUBTED = statement('UPDATE "orders_order"', holding="in_doubt")

POINTS: dict[str, Point] = {
    # Claim the order and send it.
    "before the claim": Point("submit", before("orders.dispatch.submit:claim_next")),
    "claim: order moved": Point("submit", CLAIMED),
    "claim: attempt written": Point("submit", statement('INSERT INTO "orders_placementattempt"')),
    "claim: committed": Point("submit", after("orders.dispatch.submit:claim_next")),
    "before connecting": Point("submit", before("panel.lib.http.transport:send_request")),
    "connected": Point("submit", before("panel.lib.http.exchange:Exchange.before_send")),
    "half sent": Point("submit", _half_sent),
    "sent": Point("submit", SENT),
    # Record the answer.
    "answered": Point("submit", ANSWERED, fault="redirect"),
    "record: attempt finished": Point("submit", ATTEMPT_FINISHED, fault="no-funds"),
    "record: order moved": Point("submit", ORDER_MOVED, fault="429"),
    "record: before commit": Point("submit", then(ORDER_MOVED, BEFORE_COMMIT), fault="unknown-words"),
    "record: committed": Point("submit", then(ORDER_MOVED, AFTER_COMMIT), fault="duplicate-id"),
    "record: provider paused": Point(
        "submit", then(ANSWERED, statement('UPDATE "catalog_provider"')), fault="500-before"
    ),
    "refund: order moved": Point("submit", ORDER_MOVED, fault="bad-link", alone=True),
    "refund: wallet moved": Point("submit", then(ANSWERED, WALLET_MOVED), fault="bad-link", alone=True),
    "refund: posted": Point("submit", then(ANSWERED, POSTED), fault="bad-link", alone=True),
    # Put orders of dead workers in doubt.
    "expire: order moved": Point("expire", DOUBTED, first="sent"),
    "expire: before commit": Point("expire", then(DOUBTED, BEFORE_COMMIT), first="sent"),
    # Resolve doubts.
    "reconcile: begun": Point("reconcile", after("orders.reconcile.worker:claim_due"), fault="truncate"),
    "repeat: claimed": Point(
        "reconcile", after("orders.reconcile.worker:claim_repetition"), fault="drip", mode="repeat"
    ),
    "repeat: sent": Point("reconcile", SENT, fault="drop-before", mode="repeat"),
    "repeat: answered": Point("reconcile", ANSWERED, fault="reset-before", mode="repeat"),
    "repeat: order moved": Point("reconcile", ORDER_MOVED, fault="late-answer", mode="repeat"),
    "repeat: committed": Point("reconcile", then(ORDER_MOVED, AFTER_COMMIT), fault="500-after", mode="repeat"),
    "search: before a call": Point(
        "reconcile", before("orders.reconcile.search:ProviderIds.ask"), fault="reset-after", mode="search"
    ),
    "search: answered": Point(
        "reconcile", after("orders.reconcile.search:ProviderIds.ask"), fault="200-html", mode="search"
    ),
    "bind: order moved": Point("reconcile", BOUND, fault="200-empty", mode="search"),
    "bind: before commit": Point("reconcile", then(BOUND, BEFORE_COMMIT), fault="no-id", mode="search"),
    "bind: committed": Point("reconcile", then(BOUND, AFTER_COMMIT), fault="drop-after", mode="search"),
    # Poll, and refund what was not delivered.
    "poll: claimed": Point("poll", after("orders.tracking.poll:claim_batch"), alone=True),
    "poll: order moved": Point("poll", statement('UPDATE "orders_order" AS o'), alone=True),
    "poll: wallet moved": Point("poll", WALLET_MOVED, alone=True),
    "poll: posted": Point("poll", POSTED, alone=True),
    "poll: before commit": Point("poll", then(POSTED, BEFORE_COMMIT), alone=True),
}
