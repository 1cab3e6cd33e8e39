"""Compare a list with the stored rows, and decide whether it is believable. Pure: no database, no network."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from catalog.service_types import type_of
from catalog.upstream.currencies import is_same_currency
from catalog.upstream.results import ServiceList, ServiceRow
from panel.lib import money
from panel.site import registry as site

# Maximum services that a refusal shows by name.
MAX_EXAMPLES = 100


class Listed(NamedTuple):
    """A service in a provider's list: columns of `UpstreamService`. `rate` is in micro-units of its currency.

    `type` is what is made of the provider's `type_word`.
    """

    name: str
    category: str
    type: str
    rate: int
    min_quantity: int
    max_quantity: int
    refill: bool
    cancel: bool
    dripfeed: bool
    description: str
    type_word: str | None = None
    quantity_step: int | None = None
    average_time: str = ""
    start_time: str = ""
    speed: str = ""
    refill_days: int | None = None


class Stored(NamedTuple):
    """A stored row, and whether the last list held it."""

    pk: int
    is_listed: bool
    values: Listed


class UpstreamChange(NamedTuple):
    """A stored row that differs from the list."""

    pk: int
    external_id: str
    old: Listed
    new: Listed

    @property
    def has_leapt(self) -> bool:
        """Return True if the rate changed by so much that the currency may have."""
        low, high = sorted((self.old.rate, self.new.rate))
        return low != high and high >= low * site.REPRICE_FACTOR.value


@dataclass(slots=True)
class ImportPlan:
    """The difference between the stored rows and the provider's list.

    `changed` are rows that are still listed and differ; `returned` are rows that are listed again, different or not.
    """

    new: dict[str, Listed] = field(default_factory=dict)
    changed: list[UpstreamChange] = field(default_factory=list)
    returned: list[UpstreamChange] = field(default_factory=list)
    vanished: list[UpstreamChange] = field(default_factory=list)
    skipped: list[tuple[int, str, str]] = field(default_factory=list)
    compared: int = 0

    @property
    def is_empty(self) -> bool:
        return not (self.new or self.changed or self.returned or self.vanished)

    @property
    def leapt(self) -> list[UpstreamChange]:
        return [one for one in (*self.changed, *self.returned) if one.has_leapt]


def plan_import(
    *, stored: Mapping[str, Stored], answer: ServiceList, taught: Mapping[str, str] | None = None
) -> ImportPlan:
    """Compare the list with the stored rows, by the provider's ids. `taught` are types by the provider's words.

    A row whose rate is out of range is skipped with its reason, like an unreadable one. Its service counts as vanished:
    selling at an unknown cost could lose money.
    """
    plan = ImportPlan(skipped=[(row.position, row.external_id, row.reason) for row in answer.skipped])
    seen: set[str] = set()
    for position, row in enumerate(answer.rows):
        key = row.external_id
        if key in seen:
            plan.skipped.append((position, key, "listed twice"))
            continue
        try:
            listed = _listed(row, taught or {})
        except money.MoneyError as error:
            plan.skipped.append((position, key, f"rate: {error}"))
            continue
        seen.add(key)
        was = stored.get(key)
        if was is None:
            plan.new[key] = listed
            continue
        plan.compared += 1
        if not was.is_listed:
            plan.returned.append(UpstreamChange(was.pk, key, was.values, listed))
        elif was.values != listed:
            plan.changed.append(UpstreamChange(was.pk, key, was.values, listed))
    plan.vanished = [
        UpstreamChange(was.pk, key, was.values, was.values)
        for key, was in stored.items()
        if was.is_listed and key not in seen
    ]
    return plan


def _listed(row: ServiceRow, taught: Mapping[str, str]) -> Listed:
    return Listed(
        row.name[:500],
        row.category[:200],
        type_of(row.type, taught)[:60],
        money.micros_up(row.rate),
        row.min,
        row.max,
        row.refill,
        row.cancel,
        row.dripfeed,
        row.description,
        row.type[:60],
        row.step,
        row.average_time,
        row.start_time,
        row.speed,
        row.refill_days,
    )


# -- plausibility ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Doubts:
    """Why a list is not believable; `reasons` is empty if it is.

    `reasons` are sentences for the owner, by ground: "empty", "gone", "rates", "currency". `grounds` is what the owner
    was shown, as JSON: "gone" ids, "rates" by id, "currency", and "examples" of the first two with names.
    """

    reasons: Mapping[str, str]
    grounds: Mapping[str, Any]

    @property
    def reason(self) -> str:
        return " ".join(self.reasons.values())

    def are_no_worse_than(self, seen: Mapping[str, Any]) -> bool:
        """Return True if every doubt was in the grounds that somebody accepted. An empty list is never accepted."""
        rates = seen.get("rates", {})
        covered = {
            "empty": False,
            "gone": set(self.grounds["gone"]) <= set(seen.get("gone", ())),
            "rates": all(rates.get(key) == rate for key, rate in self.grounds["rates"].items()),
            "currency": self.grounds["currency"] == seen.get("currency"),
        }
        return all(covered[ground] for ground in self.reasons)


def find_doubts(
    *, plan: ImportPlan, answer: ServiceList, on_sale: Collection[str], stated: str, currency: str
) -> Doubts:
    """Judge a list. `on_sale` are the provider's ids of services on sale, one id for each service.

    `stated` is the currency that the provider says it bills in ("" if it does not say); `currency` is the configured
    one.
    """
    vanished = {one.external_id: one.old.name for one in plan.vanished}
    lost = [key for key in on_sale if key in vanished]
    gone, leapt = list(dict.fromkeys(lost)), plan.leapt
    differs = stated if stated and not is_same_currency(stated, currency) else ""
    reasons = {}
    if not answer.rows:
        reasons["empty"] = "The list is empty."
    elif len(lost) * 100 > len(on_sale) * site.LOST_SERVICES_PERCENT.value:
        reasons["gone"] = f"The list lacks {len(lost):,} of the {len(on_sale):,} services on sale."
    if len(leapt) * 2 > plan.compared:
        reasons["rates"] = (
            f"{len(leapt):,} of {plan.compared:,} rates changed by a factor of {site.REPRICE_FACTOR.value} or more; "
            "the provider may have switched its currency."
        )
    if differs:
        reasons["currency"] = (
            f"It bills in {differs} but is set up with {currency}. Prices would be wrong by the exchange rate; "
            "set up its currency and exchange rate first."
        )
    grounds: dict[str, Any] = {}
    if reasons:
        grounds = {
            "gone": gone,
            "rates": {one.external_id: one.new.rate for one in leapt},
            "currency": differs,
            "examples": {
                "gone": [[key, vanished[key]] for key in gone[:MAX_EXAMPLES]],
                "rates": [_example(one) for one in leapt[:MAX_EXAMPLES]],
            },
        }
    return Doubts(reasons, grounds)


def _example(one: UpstreamChange) -> list[Any]:
    return [one.external_id, one.new.name, one.old.rate, one.new.rate]


# -- what differs, by topic of the inbox -------------------------------------------------------------

TOPICS: Mapping[str, tuple[str, ...]] = {
    "rate": ("rate",),
    "limits": ("min_quantity", "max_quantity"),
    "flags": ("refill", "cancel", "dripfeed", "type"),
    "text": ("name", "category"),
}


def differences(change: UpstreamChange) -> Iterable[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield each inbox topic with a difference, with the old and the new values."""
    for topic, names in TOPICS.items():
        differing = [name for name in names if getattr(change.old, name) != getattr(change.new, name)]
        if differing:
            yield (
                topic,
                {name: getattr(change.old, name) for name in differing},
                {name: getattr(change.new, name) for name in differing},
            )
