"""The owner sets levels: from how much spent each is reached, in which time, and whether customers move down, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2s
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction

from catalog.models import CustomerGroup
from catalog.prices.group_discounts import LevelWouldBeWorse
from catalog.prices.levels import Level, first_worse, lock_levels
from panel.accounts.models import User
from panel.activity.record import Change, record
from panel.levels.terms import SETTINGS, Terms, stored_texts
from panel.lib.money import format_money
from panel.site.level_settings import LEVELS_MOVE_DOWN, LEVELS_PERIOD_DAYS
from panel.site.models import StoredSetting
from panel.site.services import Wanted, change_settings

PERMISSION = "levels.change_levels"


class LevelsChanged(Exception):
    """Somebody else changed levels, discounts or their settings after the preview. Nothing was changed."""


def state_of_levels() -> str:
    """Return a text that differs once anything changed that a preview rests on, but for customers and prices."""
    groups = list(CustomerGroup.objects.order_by("pk").values_list("pk", "name", "level_from", "discount_bp"))
    return blake2s(repr((groups, sorted(stored_texts().items()))).encode(), digest_size=16).hexdigest()


def drafted_levels(*, groups: Sequence[CustomerGroup], level_from: Mapping[int, int | None]) -> list[Level]:
    """Return the levels that these amounts, by group, would make, the lowest first. Raise LevelWouldBeWorse."""
    levels = [
        Level(group.pk, group.name, amount, group.discount_bp)
        for group in groups
        if (amount := level_from.get(group.pk)) is not None
    ]
    levels.sort(key=lambda level: level.level_from)
    if worse := first_worse(levels):
        raise LevelWouldBeWorse(*worse)
    return levels


def set_levels(
    *, actor: User, level_from: Mapping[int, int | None], period_days: int, moves_down: bool, seen: str
) -> None:
    """Set from which amount, in micro-units, each group is reached; None makes it no level. All or nothing.

    `seen` is `state_of_levels` as it was previewed. Raise LevelsChanged if it is another now, LevelWouldBeWorse, or
    SettingsRefused and PermissionDenied as `change_settings`.
    """
    if not actor.has_perm(PERMISSION):
        raise PermissionDenied
    with transaction.atomic():
        lock_levels()
        if state_of_levels() != seen:
            raise LevelsChanged
        groups = list(CustomerGroup.objects.order_by("pk"))
        drafted_levels(groups=groups, level_from=level_from)
        _store(actor, [group for group in groups if group.level_from != level_from.get(group.pk)], level_from)
        _store_settings(actor, period_days, moves_down)


def _store(actor: User, groups: Sequence[CustomerGroup], level_from: Mapping[int, int | None]) -> None:
    # Emptied first: two levels may change places, and no two have the same amount at any time.
    CustomerGroup.objects.filter(pk__in=[group.pk for group in groups]).update(level_from=None)
    for group in groups:
        amount = level_from.get(group.pk)
        CustomerGroup.objects.filter(pk=group.pk).update(level_from=amount)
        record(
            actor_id=actor.pk,
            objects=[group],
            message=f"Reached from: {_shown(group.level_from)} → {_shown(amount)}",
            changes=[Change("level_from", group.level_from, amount)],
        )


def _shown(amount: int | None) -> str:
    return "no level" if amount is None else f"{format_money(amount, settings.PANEL_CURRENCY, exact=True)} spent"


def _store_settings(actor: User, period_days: int, moves_down: bool) -> None:
    texts = stored_texts()
    versions = dict(
        StoredSetting.objects.filter(name__in=[one.name for one in SETTINGS]).values_list("name", "version")
    )
    wanted: dict[Any, Any] = {LEVELS_PERIOD_DAYS: period_days, LEVELS_MOVE_DOWN: moves_down}
    change_settings(
        actor=actor,
        wanted={
            setting.name: Wanted(setting.text_of(value), versions.get(setting.name, 0))
            for setting, value in wanted.items()
            if setting.value_in(texts) != value
        },
    )


def drafted_terms(*, level_from: Mapping[int, int | None], period_days: int, moves_down: bool) -> Terms:
    """Return the terms that would hold, for a preview. Raise LevelWouldBeWorse."""
    levels = drafted_levels(groups=list(CustomerGroup.objects.order_by("pk")), level_from=level_from)
    return Terms(levels, period_days, moves_down)
