"""The order in which items follow each other, for one person.

Kinds follow by their urgency: what has a deadline, what is broken, money, the rest. In a kind the oldest is first, and
what the person put off in this session comes after all others. Each statement reads a few rows from a place on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet

from panel.accounts.models import User
from panel.ops.needs_you import late, money, orders, supply
from panel.ops.needs_you.kind import Item, Kind

KINDS = (
    orders.IN_DOUBT,
    supply.PAUSED,
    supply.URGENT_ALERTS,
    orders.IN_REVIEW,
    money.SECOND_LOOKS,
    money.PAYMENTS,
    money.DEPOSITS,
    money.BANK_LINES,
    supply.RISEN,
    supply.CANCELED,
    supply.ALERTS,
    late.LATE,
)
KINDS_BY_KEY = {kind.key: kind for kind in KINDS}
# Items of one kind are counted no further.
MAX_COUNTED = 1_000

# Keys of items.
Later = Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Left:
    """How many items wait; more than that if `is_capped`. `parts` are the counts by kind, without empty ones."""

    count: int
    is_capped: bool
    parts: tuple[tuple[Kind, int], ...]

    @property
    def text(self) -> str:
        return f"{self.count:,}{'+' if self.is_capped else ''}"


def kinds_for(user: User) -> list[Kind]:
    """Return the kinds of which this person may decide."""
    return [kind for kind in KINDS if user.has_perm(kind.permission)]


def count_left(user: User) -> Left:
    """Return how many items wait for the person."""
    counts = [(kind, kind.waiting(user).order_by()[:MAX_COUNTED].count()) for kind in kinds_for(user)]
    parts = tuple((kind, count) for kind, count in counts if count)
    is_capped = any(count == MAX_COUNTED for _, count in parts)
    return Left(sum(count for _, count in parts), is_capped, parts)


def find_item(user: User, kind: Kind, pk: int) -> Item | None:
    """Return the item if it waits for the person."""
    obj = kind.waiting(user).filter(pk=pk).first()
    return Item(kind, obj) if obj is not None else None


def first_items(user: User, *, later: Later, count: int) -> list[Item]:
    """Return the first items."""
    parts = [Part(kind, _rows(kind, user, later)) for kind in kinds_for(user)]
    return list(islice(chain(_items(parts, count), _put_off(user, later)), count))


def items_after(user: User, kind: Kind, obj: Any, *, later: Later, count: int) -> list[Item]:
    """Return the items that follow this one, which may be decided by now; after the last one comes the first."""
    kinds = kinds_for(user)
    place = kinds.index(kind)
    behind, ahead = (
        [Part(one, _rows(one, user, later)) for one in some] for some in (kinds[:place], kinds[place + 1 :])
    )
    rows, moment = _rows(kind, user, later).exclude(pk=obj.pk), getattr(obj, kind.moment)
    key = (kind.key, obj.pk)
    if key in later or moment is None:
        parts = [*behind, Part(kind, rows), *ahead]
    else:
        follows = Q(**{f"{kind.moment}__gt": moment}) | Q(**{kind.moment: moment, "pk__gt": obj.pk})
        parts = [Part(kind, rows.filter(follows)), *ahead, *behind, Part(kind, rows.exclude(follows))]
    put_off = (item for item in _put_off(user, later) if item.key != key)
    return list(islice(chain(_items(parts, count), put_off), count))


class Part(NamedTuple):
    kind: Kind
    rows: QuerySet[Any]


def _rows(kind: Kind, user: User, later: Later) -> QuerySet[Any]:
    return kind.rows(user).exclude(pk__in=[pk for key, pk in later if key == kind.key])


def _items(parts: Iterable[Part], count: int) -> Iterator[Item]:
    for part in parts:
        for obj in part.rows[:count]:
            yield Item(part.kind, obj)


def _put_off(user: User, later: Later) -> Iterator[Item]:
    """Yield what was put off and still waits, in the order in which it was put off."""
    kinds = {kind.key: kind for kind in kinds_for(user)}
    found: dict[tuple[str, int], Item] = {}
    for key in dict.fromkeys(key for key, _ in later if key in kinds):
        for obj in kinds[key].waiting(user).filter(pk__in=[pk for other, pk in later if other == key]):
            found[key, obj.pk] = Item(kinds[key], obj)
    yield from (found[place] for place in later if place in found)
