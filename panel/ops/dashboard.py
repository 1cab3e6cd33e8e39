"""The admin's first page: is it running, is the money safe, what needs me."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Sum
from django.http import HttpRequest
from django.urls import reverse

from billing.models import Deposit, Wallet
from catalog.models import CatalogChange, Provider
from orders.common.stops import open_stops
from orders.models import DripFeed, OrderInReview
from orders.reports.profit import profit_of_all
from orders.selectors import count_open_orders
from orders.states import Submission
from panel.accounts.models import User
from panel.accounts.signed_in import AnyUser, user_of
from panel.alerts.causes import Cause
from panel.alerts.models import Alert, Heartbeat
from panel.alerts.seen import alerts_for
from panel.lib import clock
from panel.lib.admin.base import shown_money
from panel.ops.health import tasks_late
from panel.staff.models import SecondLook


def dashboard(request: HttpRequest, context: dict[str, object]) -> dict[str, object]:
    """Add what `admin/index.html` shows: Unfold's callback."""
    late = tasks_late()
    may = request.user.has_perm
    context.update(
        title="Overview",
        has_no_role=not request.user.is_superuser and not request.user.get_all_permissions(),
        running=not late,
        late_tasks=late,
        stops=open_stops().filter(provider=None),
        ledger=_ledger(show_owed=may("billing.view_wallet")),
        needs_me=_needs_me(user_of(request)),
        today=_today() if may("orders.view_order") else None,
        shows_money=may("orders.view_profit"),
        providers=_providers() if may("catalog.view_provider") else None,
        alerts=_open_alerts(user_of(request))[:10] if may("ops.view_alert") else [],
    )
    return context


def _providers() -> QuerySet[Provider]:
    stops = open_stops().filter(provider=OuterRef("pk"))
    return Provider.objects.filter(is_active=True).annotate(is_stopped=Exists(stops))


def open_alerts_badge(request: HttpRequest) -> str:
    """Return the number beside "Alerts" in the navigation, or nothing."""
    count = _open_alerts(request.user).count()
    return str(count) if count else ""


def reviews_badge(request: HttpRequest) -> str:
    """Return the number beside "Orders in review" in the navigation, or nothing."""
    count = _in_review()
    return str(count) if count else ""


def deposits_badge(request: HttpRequest) -> str:
    """Return the number beside "Deposits" in the navigation, or nothing."""
    count = _deposits()
    return str(count) if count else ""


def second_looks_badge(request: HttpRequest) -> str:
    """Return the number beside "Second looks" in the navigation, or nothing."""
    count = _second_looks()
    return str(count) if count else ""


def inbox_badge(request: HttpRequest) -> str:
    """Return the number beside "Inbox" in the navigation, or nothing."""
    count = CatalogChange.objects.filter(accepted_at=None).count()
    return f"{count:,}" if count else ""


def _in_review() -> int:
    return OrderInReview.objects.filter(~Q(review_reason="") | Q(submission=Submission.IN_DOUBT)).count()


def _deposits() -> int:
    return Deposit.objects.filter(state=Deposit.State.PENDING).count()


def _second_looks() -> int:
    return SecondLook.objects.filter(state=SecondLook.State.WAITING).count()


def _ledger(*, show_owed: bool) -> dict[str, object]:
    """Return whether the last check found breaches, when it ran, and what we owe our customers."""
    checked = Heartbeat.objects.filter(task="check_ledger").values_list("beat_at", flat=True).first()
    broken = Alert.objects.filter(cause=Cause.LEDGER, resolved_at=None).exists()
    balances = Wallet.objects.filter(balance__gt=0).aggregate(total=Sum("balance"))["total"] or 0
    # Paid but not begun: stopping the drip-feed refunds them.
    runs = DripFeed.objects.filter(next_run_at__isnull=False).aggregate(
        total=Sum(F("charge") - F("run_charge") * F("begun"))
    )
    owed = balances + (runs["total"] or 0)
    return {"broken": broken, "checked_at": checked, "owed": shown_money(owed) if show_owed else ""}


def _risen() -> int:
    urgent = CatalogChange.objects.filter(accepted_at=None, is_urgent=True)
    return urgent.exclude(topic=CatalogChange.Topic.ORDERS).count()


def _canceled() -> int:
    return CatalogChange.objects.filter(accepted_at=None, topic=CatalogChange.Topic.ORDERS).count()


def _open_alerts(user: AnyUser) -> QuerySet[Alert]:
    return alerts_for(user).filter(resolved_at=None)


def _paused() -> int:
    return Provider.objects.filter(is_active=True, pause_count__gt=0).count()


# What may need staff: the words for 1 and for other numbers, the count, its list, and the permission to open it.
_NEEDS: tuple[tuple[str, str, Callable[[], int], str, str], ...] = (
    (
        "order waits for your decision",
        "orders wait for your decision",
        _in_review,
        "orders_orderinreview",
        "orders.view_order",
    ),
    ("deposit waits for you", "deposits wait for you", _deposits, "billing_deposit", "billing.decide_deposit"),
    (
        "decision waits for a second look",
        "decisions wait for a second look",
        _second_looks,
        "staff_secondlook",
        "staff.change_secondlook",
    ),
    (
        "rate rose too far",
        "rates rose too far",
        _risen,
        "catalog_catalogchange",
        "catalog.view_catalogchange",
    ),
    (
        "service went off sale, as its orders were canceled",
        "services went off sale, as their orders were canceled",
        _canceled,
        "catalog_catalogchange",
        "catalog.view_catalogchange",
    ),
    ("provider is paused", "providers are paused", _paused, "catalog_provider", "catalog.view_provider"),
)


def _needs_me(user: User) -> list[dict[str, object]]:
    rows = [(one, more, count(), name) for one, more, count, name, permission in _NEEDS if user.has_perm(permission)]
    if user.has_perm("ops.view_alert"):
        rows.append(("alert is open", "alerts are open", _open_alerts(user).count(), "ops_alert"))
    return [
        {"text": one if count == 1 else more, "count": count, "url": reverse(f"admin:{name}_changelist")}
        for one, more, count, name in rows
        if count
    ]


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
