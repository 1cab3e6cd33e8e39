"""`/healthz`: whether the site can work, for load balancers. `/readyz`: whether the panel does its work."""

from __future__ import annotations

from contextlib import suppress

from django.core.cache import cache
from django.db import Error, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from orders.common.stops import open_stops
from panel.alerts.clocks import offset_text, wrong_clocks
from panel.lib import clock
from panel.ops.facts import READY_SECONDS, all_facts, tasks_late

_READY = "readyz"


def clock_faults() -> list[str]:
    """Return which clocks are wrong and how far, for people: this process's, and those of machines with workers."""
    mine = clock.measured(max_age=clock.MAX_AGE)
    faults = [] if mine.is_right else [f"web is {offset_text(mine.offset)}"]
    return faults + [f"a worker is {offset_text(one.offset / 1_000)}" for one in wrong_clocks()]


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Return 200 while pages work, 503 without database or cache. Late tasks, clocks and stops: with 200.

    A balancer that removed the web server because the worker is down would only add an outage. Stops of one provider
    are not reported: everybody may read this.
    """
    checks = {"database": _database(), "cache": _cache()}
    healthy = all(checks.values())
    report: dict[str, object] = {name: "ok" if fine else "down" for name, fine in checks.items()}
    if checks["database"]:
        late = tasks_late()
        report["tasks"] = "ok" if not late else f"late: {', '.join(late)}"
        faults = clock_faults()
        report["clocks"] = f"wrong: {', '.join(faults)}" if faults else "ok"
        stops = open_stops().filter(provider=None).values_list("reason", flat=True)
        report["sending"] = f"stopped: {', '.join(stops)}" if stops else "ok"
    return JsonResponse(report, status=200 if healthy else 503)


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Return 200 while the panel does its work, 503 with the reasons while nothing is sent, followed or proven.

    For people's monitors: a balancer asks `/healthz`.
    """
    if not _database():
        return JsonResponse({"ready": False, "reasons": ["The database does not answer."]}, status=503)
    report = _readiness()
    return JsonResponse(report, status=200 if report["ready"] else 503)


def _readiness() -> dict[str, object]:
    """Return what `/readyz` says, counted at most once in a few seconds: everybody may ask."""
    try:
        known: dict[str, object] | None = cache.get(_READY)
    except Exception:  # Each cache backend raises its own errors.
        known = None
    if known is None:
        facts = all_facts()
        reasons = [one.text for one in facts if not one.is_fine]
        known = {"ready": not reasons, "reasons": reasons, "facts": {one.name: one.text for one in facts}}
        with suppress(Exception):
            cache.set(_READY, known, READY_SECONDS)
    return known


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
