"""How often each guard of the panel really stopped something, in all child processes: one that never did is untested.

Each child appends a line to a file in the folder of its log, so that a count survives its death.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.chaos.crashing import wrap

FILE = "guards"


def _always(result: Any) -> bool:
    return True


def _is_none(result: Any) -> bool:
    return result is None


# Name → the functions of the guard, and whether a result of theirs means that it stopped something.
GUARDS: dict[str, tuple[tuple[str, ...], Callable[[Any], bool]]] = {
    "mark kept before sending": (("orders.dispatch.submit:keep_mark",), _always),
    "older database stopped": (
        ("orders.marks.guard:stop_for_restore", "orders.dispatch.submit:stop_for_restore"),
        _always,
    ),
    "balance not explained": (("orders.reckoning.witness:_lacks_money",), bool),
    "lane taken": (("orders.dispatch.submit:_lock_free_lane",), _is_none),
    "lease ran out": (("orders.dispatch.timeouts:expire_leases",), bool),
    "answer recorded from disk": (("orders.dispatch.kept_answers:_record_late",), _always),
    "lost a race": (("orders.common.transitions:OrderMoved.__init__",), _always),
    "late answer": (("orders.dispatch.outcomes:_alert_late_answer",), _always),
    "known id": (("orders.dispatch.outcomes:_record_known_id",), _always),
    "known id of another purchase": (("orders.dispatch.outcomes:stop_sending",), bool),
    "repeated under its request id": (("orders.reconcile.worker:claim_repetition",), bool),
    "no sole match": (("orders.reconcile.search:sole_match",), _is_none),
    "end held in a wave": (("orders.tracking.apply:hold_ends",), bool),
    "end taken back": (("orders.tracking.interpret:recants",), bool),
}


def install(log: str) -> None:
    """Count each guard of this process in the file beside its log."""
    file = os.open(Path(log).with_name(FILE), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for name, (paths, acted) in GUARDS.items():
        for path in paths:
            wrap(path, _counting(file, f"{name}\n".encode(), acted))


def _counting(
    file: int, line: bytes, acted: Callable[[Any], bool]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **values: Any) -> Any:
            result = original(*args, **values)
            if acted(result):
                os.write(file, line)
            return result

        return counted

    return around


def read(folder: Path) -> Counter[str]:
    """Return how often each guard acted in the children with logs in this folder."""
    try:
        return Counter((folder / FILE).read_text().splitlines())
    except FileNotFoundError:
        return Counter()


def never_reached(reached: Counter[str]) -> list[str]:
    """Return the guards that stopped nothing."""
    return [name for name in GUARDS if not reached[name]]
