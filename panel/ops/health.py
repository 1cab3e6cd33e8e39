"""`/healthz`: whether the site can work, for load balancers and uptime checks."""

from __future__ import annotations

from datetime import timedelta

from django.core.cache import cache
from django.db import Error, connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from orders.common.stops import open_stops
from panel.alerts.models import Heartbeat

LATE = timedelta(minutes=2)
TICKING = ("submit_orders", "begin_runs", "reconcile_orders", "poll_orders", "send_requests", "poll_refills")


def tasks_late() -> list[str]:
    """Return the frequent tasks that have not finished a round lately."""
    now = timezone.now()
    # A heartbeat in the future only means that a clock was set back.
    fresh = Heartbeat.objects.filter(task__in=TICKING, beat_at__gte=now - LATE, beat_at__lte=now + LATE)
    alive = set(fresh.values_list("task", flat=True))
    return [task for task in TICKING if task not in alive]


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Return 200 while pages work, 503 without database or cache. Late tasks and stops are reported with 200.

    A balancer that removed the web server because the worker is down would only add an outage. Stops of one provider
    are not reported: everybody may read this.
    """
    checks = {"database": _database(), "cache": _cache()}
    healthy = all(checks.values())
    report: dict[str, object] = {name: "ok" if fine else "down" for name, fine in checks.items()}
    if checks["database"]:
        late = tasks_late()
        report["tasks"] = "ok" if not late else f"late: {', '.join(late)}"
        stops = open_stops().filter(provider=None).values_list("reason", flat=True)
        report["sending"] = f"stopped: {', '.join(stops)}" if stops else "ok"
    return JsonResponse(report, status=200 if healthy else 503)


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return False
    return True


def _cache() -> bool:
    try:
        cache.set("healthz", "1", 5)
        return cache.get("healthz") == "1"
    except Exception:  # Each cache backend raises its own errors.
        return False
