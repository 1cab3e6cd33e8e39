"""Order the tests so that all workers finish at about the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest

T = TypeVar("T")

# Markers of the slow tests, which go first. Tests of a kind start the same long-lived processes: one worker starts
# with each kind, and idle workers steal from it.
KINDS = (("processes", "redis"), ("browser",), ("slow",))


def kind_of(item: pytest.Item) -> int | None:
    """Return the index of the test's kind in KINDS, by its markers, or None."""
    for number, markers in enumerate(KINDS):
        if any(map(item.get_closest_marker, markers)):
            return number
    return None


def arrange(items: Sequence[T], *, workers: int, kind: Callable[[T], int | None]) -> list[T]:
    """Return the items with each kind at the start of one worker's share: pytest-xdist splits the list equally."""
    kinds: list[list[T]] = [[] for _ in KINDS]
    others: list[T] = []
    for item in items:
        number = kind(item)
        (others if number is None else kinds[number]).append(item)
    heads = [
        [item for number in range(worker, len(KINDS), workers) for item in kinds[number]] for worker in range(workers)
    ]
    arranged: list[T] = []
    for worker, head in enumerate(heads):
        share = (len(items) - len(arranged)) // (workers - worker)
        remaining = max(0, share - len(head))
        arranged += head + others[:remaining]
        del others[:remaining]
    return arranged + others
