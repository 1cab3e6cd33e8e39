"""The admin's first page, and the numbers in the navigation."""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpRequest

from catalog.models import CatalogChange
from orders.reports.profit import profit_of_all
from orders.selectors import count_open_orders
from panel.accounts.signed_in import user_of
from panel.lib import clock
from panel.lib.admin.base import shown_money
from panel.ops.needs_you.queue import first_items
from panel.ops.needs_you.sitting import put_off_items
from panel.ops.overview.facts import all_facts, verdict_of
from panel.ops.overview.needs import (
    count_deposits,
    count_late,
    count_reviews,
    count_second_looks,
    needs_of,
    open_alerts,
    waiting_for,
)
from panel.ops.overview.picture import read_picture
from panel.ops.overview.providers import provider_rows
from panel.ops.overview.states import Colour

# Waiting items on the overview; the page "Needs you" goes through all.
MAX_ITEMS = 5


def dashboard(request: HttpRequest, context: dict[str, object]) -> dict[str, object]:
    """Add what `admin/index.html` shows: Unfold's callback."""
    user = user_of(request)
    may = user.has_perm
    picture = read_picture(may)
    facts = all_facts(picture)
    needs = needs_of(picture)
    context.update(
        title="Overview",
        has_no_role=not user.is_superuser and not user.get_all_permissions(),
        verdict=verdict_of(facts),
        facts=facts,
        broken=[one for one in needs if one.colour == Colour.BROKEN],
        missing=[one for one in needs if one.colour != Colour.BROKEN],
        items=first_items(user, later=put_off_items(request), count=MAX_ITEMS),
        waiting=waiting_for(user),
        today=_today() if may("orders.view_order") else None,
        shows_money=may("orders.view_profit"),
        providers=provider_rows(picture, user) if may("catalog.view_provider") else None,
        # Whoever may close alerts has them among what waits.
        alerts=open_alerts(user)[:10] if may("ops.view_alert") and not may("ops.change_alert") else [],
    )
    return context


def open_alerts_badge(request: HttpRequest) -> str:
    """Return the number beside "Alerts" in the navigation, or nothing."""
    return _shown(open_alerts(request.user).count())


def reviews_badge(request: HttpRequest) -> str:
    """Return the number beside "Orders in review" in the navigation, or nothing."""
    return _shown(count_reviews())


def late_badge(request: HttpRequest) -> str:
    """Return the number beside "Late orders" in the navigation, or nothing."""
    return _shown(count_late())


def deposits_badge(request: HttpRequest) -> str:
    """Return the number beside "Deposits" in the navigation, or nothing."""
    return _shown(count_deposits())


def second_looks_badge(request: HttpRequest) -> str:
    """Return the number beside "Second looks" in the navigation, or nothing."""
    return _shown(count_second_looks())


def inbox_badge(request: HttpRequest) -> str:
    """Return the number beside "Inbox" in the navigation, or nothing."""
    return _shown(CatalogChange.objects.filter(accepted_at=None).count())


def _shown(count: int) -> str:
    return f"{count:,}" if count else ""


def _today() -> dict[str, object]:
    """Return figures for orders of the last 24 hours, and for open ones."""
    sold = profit_of_all(since=clock.now() - timedelta(hours=24))
    return {
        "orders": sold.orders + sold.open_orders,
        "charged": shown_money(sold.charged + sold.open_charged),
        "refunded": shown_money(sold.refunded + sold.open_refunded),
        "profit": shown_money(sold.profit),
        "is_loss": sold.profit < 0,
        "expected": shown_money(sold.open_profit),
        "open": count_open_orders(),
    }
