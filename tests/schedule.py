"""The order of the tests, so that no worker is busy long after the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest

T = TypeVar("T")

# What takes long goes first. Tests of a kind start the same long-lived processes: one worker begins with each kind,
# and others come to its help as they run out of work.
KINDS = (("processes", "redis"), ("browser",), ("slow",))


def kind_of(item: pytest.Item) -> int | None:
    """The number of the kind a test is of, by its markers."""
    for number, markers in enumerate(KINDS):
        if any(map(item.get_closest_marker, markers)):
            return number
    return None


def arrange(items: Sequence[T], *, workers: int, kind: Callable[[T], int | None]) -> list[T]:
    """Put each kind at the head of one worker's share: pytest-xdist deals the list out in equal slices."""
    kinds: list[list[T]] = [[] for _ in KINDS]
    others: list[T] = []
    for item in items:
        number = kind(item)
        (others if number is None else kinds[number]).append(item)
    heads = [
        [item for number in range(place, len(KINDS), workers) for item in kinds[number]] for place in range(workers)
    ]
    arranged: list[T] = []
    for place, head in enumerate(heads):
        share = (len(items) - len(arranged)) // (workers - place)
        rest = max(0, share - len(head))
        arranged += head + others[:rest]
        del others[:rest]
    return arranged + others
