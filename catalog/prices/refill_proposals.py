"""Times for refills that a list names and staff have not accepted or declined yet.

Accepting sets `Service.refill_days`, which limits what customers can ask for. Both answers are kept in the history of
changes and can be undone there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2s

from django.db import transaction
from django.db.models import F, Q, QuerySet

from catalog.models import PriceChange, Provider, Service
from catalog.prices.changes import ChangeRefused, change_prices
from catalog.prices.edits import Edit
from catalog.prices.storage import lock_prices
from catalog.refill_windows import window_text
from panel.accounts.models import User

EXAMPLES = 3


class ProposalsMoved(ChangeRefused):
    """The proposals are not those that were shown."""

    def __init__(self) -> None:
        super().__init__("The list says something else since you looked at it.")


@dataclass(slots=True)
class Proposal:
    """All services of a provider whose list names the same time, other than `now`, which holds for them."""

    provider: Provider
    days: int
    now: int | None
    services: list[int] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)

    @property
    def shown_days(self) -> str:
        return window_text(self.days)

    @property
    def shown_now(self) -> str:
        return window_text(self.now)

    @property
    def seen(self) -> str:
        """Return what differs once the proposal is for other services."""
        return blake2s(repr((self.days, self.now, self.services)).encode(), digest_size=12).hexdigest()


def count_proposals() -> int:
    """Return for how many services a time is proposed."""
    return _proposed().count()


def open_proposals() -> list[Proposal]:
    """Return the proposals by provider and time, those for most services first, in two queries."""
    names = ("upstream__provider_id", "upstream__refill_days", "refill_days", "pk", "name")
    found: dict[tuple[int, int, int | None], Proposal] = {}
    rows = list(_proposed().order_by("pk").values_list(*names))
    providers = Provider.objects.in_bulk({row[0] for row in rows})
    for provider, days, now, pk, name in rows:
        one = found.setdefault((provider, days, now), Proposal(providers[provider], days, now))
        one.services.append(pk)
        if len(one.examples) < EXAMPLES:
            one.examples.append(name)
    return sorted(found.values(), key=lambda one: (one.provider.name, -len(one.services), one.days))


def answer_proposal(
    *, provider_id: int, days: int, now: int | None, seen: str, accept: bool, actor: User | None
) -> int:
    """Accept or decline a proposal as it was shown (`seen`). Return for how many services. Raise ChangeRefused."""
    with transaction.atomic():
        lock_prices()  # Imports change proposals under it.
        one = _find(open_proposals(), provider_id, days, now)
        if one is None or one.seen != seen:
            raise ProposalsMoved
        values = {"refill_days": days} if accept else {"refill_days_declined": days}
        count = len(one.services)
        what = f"{one.shown_days} for refills {'accepted' if accept else 'declined'}"
        change_prices(
            edits=[Edit("service", tuple(one.services), values)],
            source=PriceChange.Source.REFILL,
            summary=f"{one.provider}: {what} for {count:,} service{'' if count == 1 else 's'}",
            actor=actor,
        )
    return len(one.services)


def _find(proposals: Sequence[Proposal], provider_id: int, days: int, now: int | None) -> Proposal | None:
    wanted = (provider_id, days, now)
    return next((one for one in proposals if (one.provider.pk, one.days, one.now) == wanted), None)


def _proposed() -> QuerySet[Service]:
    """Return services whose list names a time. Where the provider takes no refills, a time for them means nothing."""
    stated = F("upstream__refill_days")
    return Service.objects.filter(
        Q(refill_days=None) | ~Q(refill_days=stated),
        Q(refill_days_declined=None) | ~Q(refill_days_declined=stated),
        upstream__is_listed=True,
        upstream__refill=True,
        upstream__refill_days__isnull=False,
    )
