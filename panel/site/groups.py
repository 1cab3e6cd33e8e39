"""The settings in groups, as they are shown and saved, and all of them by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from panel.site.business_settings import BUSINESS_ADDRESS, BUSINESS_NAME, BUSINESS_TAX_NUMBER
from panel.site.kinds import Setting
from panel.site.level_settings import LEVELS_MOVE_DOWN, LEVELS_PERIOD_DAYS
from panel.site.payment_settings import HOLD_ORDERS_ON_REVERSAL
from panel.site.registry import (
    API_DUPLICATE_WINDOW,
    API_RATE_LIMIT_429,
    API_RATE_PER_ADDRESS,
    API_RATE_PER_KEY,
    CANCELED_SERVICE_PERCENT,
    DOUBT_DEADLINE_MINUTES,
    EMAIL_VERIFICATION,
    FLOOR_BAND_PERCENT,
    LOST_SERVICES_PERCENT,
    LOW_BALANCE_DAYS,
    LOW_COMPLETION_PERCENT,
    MAX_LATE_ANSWERS,
    MAX_REFUSALS_IN_ROW,
    MAX_UNKNOWN_REFUSALS,
    OLD_BACKUP_HOURS,
    OLD_BALANCE_HOURS,
    OLD_LIST_HOURS,
    OVERCHARGE_PERCENT,
    PANEL_ACCENT,
    PANEL_FAVICON,
    PANEL_LOGO,
    PANEL_NAME,
    POLL_INTERVALS,
    POLL_SPARE_MINUTES,
    PUBLIC_SHOP,
    QUEUE_LIMIT_HOURS,
    RATE_RISE_PERCENT,
    RECKONING_BAND_PERCENT,
    REPRICE_FACTOR,
    SEARCH_WORDS,
    SIGN_UP,
    SILENCE_HOURS,
    SUBMISSION_LEASE_SECONDS,
    SUPPORT_EMAIL,
    SUPPORT_URL,
    UNKNOWN_DEADLINE_HOURS,
    UPSTREAM_ADD_TIMEOUT,
    UPSTREAM_USER_AGENT,
    WAVE_MINUTES,
    WAVE_ORDERS,
    WAVE_PERCENT,
    WAVE_WAIT_MINUTES,
)
from panel.site.retention import (
    KEEP_ALERTS_DAYS,
    KEEP_ANSWERS_DAYS,
    KEEP_CALLS_DAYS,
    KEEP_EVENTS_DAYS,
    KEEP_IMPORTS_DAYS,
)
from panel.site.sign_in_settings import (
    KEEP_SIGN_INS_DAYS,
    SECOND_FACTOR_ROLES,
    STAFF_IDLE_MINUTES,
    STAFF_SESSION_HOURS,
)


@dataclass(frozen=True, slots=True)
class Group:
    """Settings that are shown and saved together."""

    slug: str
    title: str
    settings: tuple[Setting[Any], ...]


GROUPS = (
    Group("brand", "Brand", (PANEL_NAME, PANEL_ACCENT, PANEL_LOGO, PANEL_FAVICON)),
    Group("contacts", "Contacts", (SUPPORT_EMAIL, SUPPORT_URL)),
    Group("business", "Business details", (BUSINESS_NAME, BUSINESS_ADDRESS, BUSINESS_TAX_NUMBER)),
    Group("shop", "Shop and sign-up", (PUBLIC_SHOP, SEARCH_WORDS, SIGN_UP, EMAIL_VERIFICATION)),
    Group("payments", "Payments", (HOLD_ORDERS_ON_REVERSAL,)),
    Group("levels", "Levels by money spent", (LEVELS_PERIOD_DAYS, LEVELS_MOVE_DOWN)),
    Group("staff", "Sign-in of staff", (SECOND_FACTOR_ROLES, STAFF_IDLE_MINUTES, STAFF_SESSION_HOURS)),
    Group(
        "orders",
        "Orders and doubts",
        (
            QUEUE_LIMIT_HOURS,
            DOUBT_DEADLINE_MINUTES,
            UPSTREAM_ADD_TIMEOUT,
            SUBMISSION_LEASE_SECONDS,
            MAX_LATE_ANSWERS,
            MAX_UNKNOWN_REFUSALS,
            UNKNOWN_DEADLINE_HOURS,
            MAX_REFUSALS_IN_ROW,
            UPSTREAM_USER_AGENT,
        ),
    ),
    Group("polling", "Polling", (POLL_INTERVALS, WAVE_ORDERS, WAVE_PERCENT, WAVE_MINUTES, WAVE_WAIT_MINUTES)),
    Group(
        "api",
        "API limits",
        (API_RATE_PER_KEY, API_RATE_PER_ADDRESS, API_RATE_LIMIT_429, API_DUPLICATE_WINDOW),
    ),
    Group(
        "alerts",
        "Alert thresholds",
        (
            LOW_BALANCE_DAYS,
            OLD_BALANCE_HOURS,
            OLD_LIST_HOURS,
            OLD_BACKUP_HOURS,
            LOW_COMPLETION_PERCENT,
            OVERCHARGE_PERCENT,
            RECKONING_BAND_PERCENT,
            POLL_SPARE_MINUTES,
            SILENCE_HOURS,
            LOST_SERVICES_PERCENT,
            REPRICE_FACTOR,
            RATE_RISE_PERCENT,
            FLOOR_BAND_PERCENT,
            CANCELED_SERVICE_PERCENT,
        ),
    ),
    Group(
        "pruning",
        "How long data is kept",
        (KEEP_EVENTS_DAYS, KEEP_ANSWERS_DAYS, KEEP_IMPORTS_DAYS, KEEP_ALERTS_DAYS, KEEP_CALLS_DAYS, KEEP_SIGN_INS_DAYS),
    ),
)
SETTINGS: dict[str, Setting[Any]] = {one.name: one for group in GROUPS for one in group.settings}


def refused(texts: Mapping[str, str]) -> Iterator[tuple[Setting[Any], str]]:
    """Yield the settings whose stored text is refused, so that the default holds, and why."""
    for name, text in texts.items():
        setting = SETTINGS.get(name)
        if setting is None or setting.is_locked:
            continue
        try:
            setting.from_stored(text)
        except ValueError as error:
            yield setting, str(error)
