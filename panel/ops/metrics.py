"""`/metrics`: the state of the panel in Prometheus' format, read from the database at each scrape."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from catalog.models import Provider
from orders.common.backoff import poll_bound
from orders.common.stops import open_stops
from orders.models import Order, OrderInReview
from orders.states import Submission
from orders.tracking.monitor import poll_backlog
from panel.alerts.clocks import wrong_clocks
from panel.alerts.models import Alert, Heartbeat
from panel.lib import clock


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Show the metrics with METRICS_TOKEN or the permission to see alerts. Raise Http404 for others."""
    if not (_has_token(request) or request.user.has_perm("ops.view_alert")):
        raise Http404
    registry = CollectorRegistry()
    registry.register(_Panel())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _has_token(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    return bool(settings.METRICS_TOKEN) and constant_time_compare(given, settings.METRICS_TOKEN)


class _Panel(Collector):
    def describe(self) -> list[Metric]:
        return []  # Otherwise registering would read the database once more.

    def collect(self) -> Iterator[Metric]:
        yield from _poll_backlog()
        yield from _not_accepted()
        yield from _stops()
        yield from _tasks()
        yield from _clocks()
        yield _gauge("upmark_open_alerts", "Alerts that nobody resolved.", _open_alerts())


def _poll_backlog() -> Iterator[Metric]:
    names = dict(Provider.objects.values_list("pk", "name"))
    rows = [(names[one.provider_id], one) for one in poll_backlog()]
    yield _by(
        "provider",
        "upmark_open_orders",
        "Orders that are with the provider and have not ended.",
        {name: one.open for name, one in rows},
    )
    yield _by(
        "provider",
        "upmark_oldest_unchecked_seconds",
        "Since the last status of the open order that waits longest.",
        {name: one.oldest.total_seconds() for name, one in rows},
    )
    yield _gauge("upmark_poll_bound_seconds", "What the former must not exceed.", poll_bound().total_seconds())
    yield _by(
        "provider",
        "upmark_polling_failures",
        "Rounds in a row that the provider did not answer to the end.",
        dict(Provider.objects.values_list("name", "polling_failures")),
    )


def _not_accepted() -> Iterator[Metric]:
    # One by one: each has an index of its own.
    not_accepted = (Submission.QUEUED, Submission.SUBMITTING, Submission.IN_DOUBT)
    yield _by(
        "placement",
        "upmark_unsettled_orders",
        "Orders that are not yet, or perhaps not, with a provider.",
        {submission.value: _count(submission) for submission in not_accepted},
    )
    in_review = OrderInReview.objects.filter(~Q(review_reason="")).count()
    yield _gauge("upmark_orders_in_review", "Orders that wait for a person.", in_review)


def _count(submission: Submission) -> int:
    """Count by provider, to use the index."""
    by_provider = Order.objects.filter(submission=submission).order_by("provider_id").values_list("provider_id")
    return sum(count for _, count in by_provider.annotate(Count("pk")))


def _stops() -> Iterator[Metric]:
    stopped = set(open_stops().order_by().values_list("provider_id", flat=True))
    yield _gauge("upmark_sending_stopped", "1 while no order is sent to any provider.", None in stopped)
    yield _by(
        "provider",
        "upmark_provider_sending_stopped",
        "1 while no order is sent to the provider, for a reason of its own.",
        {name: pk in stopped for pk, name in Provider.objects.values_list("pk", "name")},
    )


def _tasks() -> Iterator[Metric]:
    now = clock.now()
    yield _by(
        "task",
        "upmark_task_age_seconds",
        "Since the task last finished a round.",
        {task: (now - beat).total_seconds() for task, beat in Heartbeat.objects.values_list("task", "beat_at")},
    )


def _clocks() -> Iterator[Metric]:
    mine = clock.measured(max_age=clock.MAX_AGE)
    yield _gauge(
        "upmark_clock_offset_seconds", "How far this web server's clock is behind the database's.", mine.offset
    )
    yield _by(
        "machine",
        "upmark_wrong_clock_offset_seconds",
        "The same of each machine whose worker does nothing because of it.",
        {one.machine: one.offset / 1_000 for one in wrong_clocks()},
    )


def _open_alerts() -> int:
    return Alert.objects.filter(resolved_at=None).count()


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _by(label: str, name: str, text: str, values: dict[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
