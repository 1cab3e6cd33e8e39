"""What waits about providers and the panel: pauses, rates that rose, services off sale, and open alerts."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from catalog.admin.inbox import changed_words
from catalog.models import CatalogChange, Provider
from orders.models import Order
from orders.states import Submission
from panel.accounts.models import User
from panel.accounts.rights import SEE_COSTS
from panel.alerts.advice import advice_about, path_about
from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.alerts.seen import alerts_for
from panel.lib import clock
from panel.lib.admin.base import shown_money
from panel.lib.formats import moment_text, short_duration
from panel.ops.needs_you.kind import Fact, Kind, Line, age_of, attribute, rounded
from panel.ops.overview.states import Colour

# Orders that wait for a provider are counted no further.
MAX_UNSENT = 10_000


# -- paused providers ----------------------------------------------------------------------------------


def _paused(user: User) -> QuerySet[Provider]:
    return Provider.objects.filter(is_active=True, pause_count__gt=0)


def _next_try(provider: Provider) -> str:
    end = provider.paused_until
    return (
        f"next try in {short_duration(end - clock.now())}" if end and end > clock.now() else "the next order is tried"
    )


def _provider_line(provider: Provider) -> Line:
    return Line(format_html("<bdi>{}</bdi> is paused", provider.name), "It gets no orders.", "", _next_try(provider))


def _provider_evidence(request: HttpRequest, provider: Provider) -> list[Fact]:
    unsent = Order.objects.filter(provider=provider, submission=Submission.QUEUED).order_by()[:MAX_UNSENT].count()
    waits = "None" if not unsent else f"{unsent:,}{' or more' if unsent == MAX_UNSENT else ''}"
    # The provider's words may tell a cost.
    why = provider.pause_reason if request.user.has_perm(SEE_COSTS) else ""
    return [("Why", why), ("Orders that wait", waits), ("By itself", f"{_next_try(provider).capitalize()}.")]


# -- changes at providers ------------------------------------------------------------------------------


def _changes() -> QuerySet[CatalogChange]:
    open_ones = CatalogChange.objects.filter(accepted_at=None).select_related("provider", "upstream", "service")
    return open_ones.defer("upstream__description", "service__description")


def _risen(user: User) -> QuerySet[CatalogChange]:
    return _changes().filter(is_urgent=True).exclude(topic=CatalogChange.Topic.ORDERS)


def _canceled(user: User) -> QuerySet[CatalogChange]:
    return _changes().filter(topic=CatalogChange.Topic.ORDERS)


def _change_line(change: CatalogChange, *, title: str) -> Line:
    name = change.service.name if change.service else change.upstream.name
    about = format_html("<bdi>{}</bdi> of <bdi>{}</bdi>", name, change.provider.name)
    price = rounded(change.price_after) if change.price_after is not None else ""
    return Line(title, about, price, age_of(change.changed_at))


def _change_evidence(request: HttpRequest, change: CatalogChange) -> list[Fact]:
    facts: list[Fact] = [("Changed", " ".join(changed_words(change)))]
    if change.price_before is not None and change.price_after is not None:
        facts.append(("Price", f"{shown_money(change.price_before)} → {shown_money(change.price_after)}"))
    if change.rose_too_far:
        facts.append(("Why", "The rate rose by more than the limit in the settings."))
    if change.action:
        facts.append(("The panel did", change.get_action_display()))
    on_sale = "on sale" if change.service and change.service.is_on_sale else "not on sale"
    return [*facts, ("Now", f"The service is {on_sale}." if change.service else "It is not in the shop.")]


def _change_pages(change: CatalogChange) -> tuple[str, ...]:
    can_sell = change.service is not None and not change.service.is_on_sale and change.upstream.is_listed
    return ("accept", "accept_on_sale") if can_sell else ("accept",)


# -- alerts --------------------------------------------------------------------------------------------


# What these tell of are items themselves.
_TOLD = (
    *(Cause.TROUBLE, Cause.REVIEWS, Cause.DEPOSIT_WAITS, Cause.HELD_PAYMENT, Cause.RATE_RISES),
    *(Cause.LATE_ORDERS, Cause.CANCELED_SERVICE),
)


def _alerts(user: User, *, level: str) -> QuerySet[Alert]:
    found = alerts_for(user).filter(resolved_at=None, level=level)
    for cause in _TOLD:
        start, _, end = cause.partition("{}")
        found = found.exclude(cause__startswith=start, cause__endswith=end)
    return found


def _alert_line(alert: Alert) -> Line:
    seen = "Seen once" if alert.count == 1 else f"Seen {alert.count:,} times"
    return Line(format_html("<bdi>{}</bdi>", alert.text), seen, "", age_of(alert.created_at))


def _alert_evidence(request: HttpRequest, alert: Alert) -> list[Fact]:
    advice = advice_about(alert.cause)
    page = format_html('<a href="{}">Open the page about it</a>', path_about(alert.cause))
    return [
        ("What the panel does", advice.panel_does if advice else ""),
        ("What you do", advice.you_do if advice else ""),
        ("Since", f"{moment_text(alert.created_at)}, last seen {age_of(alert.last_seen_at)} ago"),
        ("Where", page),
    ]


def _change_kind(**about: Any) -> Kind:
    return Kind(
        model=CatalogChange,
        permission="catalog.change_catalogchange",
        colour=Colour.LOOK,
        moment="changed_at",
        evidence=_change_evidence,
        pages=_change_pages,
        decided_by=attribute("accepted_by"),
        **about,
    )


def _alert_kind(key: str, words: tuple[str, str], level: str, colour: Colour, icon: str) -> Kind:
    return Kind(
        key=key,
        words=words,
        model=Alert,
        permission="ops.change_alert",
        icon=icon,
        colour=colour,
        moment="created_at",
        waiting=partial(_alerts, level=level),
        line=_alert_line,
        evidence=_alert_evidence,
        pages=lambda alert: (*(("trust_clock",) if alert.cause == Cause.CLOCK_JUMP else ()), "resolve_one"),
    )


PAUSED = Kind(
    key="provider",
    words=("paused provider", "paused providers"),
    model=Provider,
    permission="catalog.change_provider",
    icon="hub",
    colour=Colour.BROKEN,
    moment="pk",
    waiting=_paused,
    line=_provider_line,
    evidence=_provider_evidence,
    pages=lambda provider: ("resume",),
)
RISEN = _change_kind(
    key="rate",
    words=("rate that rose", "rates that rose"),
    icon="trending_up",
    waiting=_risen,
    line=partial(_change_line, title="A rate rose too far"),
)
CANCELED = _change_kind(
    key="off-sale",
    words=("service off sale", "services off sale"),
    icon="visibility_off",
    waiting=_canceled,
    line=partial(_change_line, title="Off sale, as its orders were canceled"),
)
URGENT_ALERTS = _alert_kind("urgent", ("urgent alert", "urgent alerts"), Alert.Level.DANGER, Colour.BROKEN, "error")
ALERTS = _alert_kind("alert", ("alert", "alerts"), Alert.Level.WARNING, Colour.LOOK, "warning")
