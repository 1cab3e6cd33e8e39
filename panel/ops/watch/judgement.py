"""Whether the parts of the panel live, as alerts: web servers, workers, beat, Redis."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import redis
from django.conf import settings

from panel.alerts.causes import Cause
from panel.alerts.models import Alert, Heartbeat, Process
from panel.alerts.services import raise_alert, resolve_alert
from panel.lib import clock
from panel.lib.formats import duration_text
from panel.ops.watch.presence import SILENT, living, silent

# Tasks that run every few seconds, and how long they may take until somebody has to look. A restart takes less.
TICKING = ("submit_orders", "reconcile_orders", "poll_orders")
LATE = timedelta(seconds=45)
# Seconds.
REDIS_TIMEOUT = 2.0


def judge() -> None:
    """Raise and resolve the alerts about what should run."""
    quiet = silent()
    _judge_kind(Process.Kind.WORKER, Cause.WORKERS, quiet)
    _judge_kind(Process.Kind.WEB, Cause.WEB, quiet)
    _judge_redis()
    _judge_tasks()


def _judge_kind(kind: Process.Kind, cause: Cause, quiet: list[Process]) -> None:
    """Alert on silent processes: one by one while others live, and as a whole when none does."""
    mine = [one for one in quiet if one.kind == kind]
    if living(kind).exists():
        resolve_alert(cause=cause)
        for one in mine:
            _raise_once(
                cause=Cause.PROCESS,
                about=one.pk,
                text=lambda one=one: f"{one} is silent since {_ago(one.seen_at)}. Others of its kind run.",  # type: ignore[misc]
                level=Alert.Level.WARNING,
            )
        return
    last = Process.objects.filter(kind=kind).order_by("seen_at").last()
    if last is None:
        resolve_alert(cause=cause)  # It was moved elsewhere, and forgotten.
        return
    if clock.now() - max(last.seen_at, last.ended_at or last.seen_at) < SILENT:
        return  # It is being restarted.
    word = {Process.Kind.WORKER: "worker", Process.Kind.WEB: "web server"}[kind]
    _raise_once(cause=cause, text=lambda: f"No {word} runs. The last one was seen {_ago(last.seen_at)}.")


def _judge_redis() -> None:
    addresses = {
        str(address)
        for address in (settings.CELERY_BROKER_URL, settings.CACHES["default"].get("LOCATION"))
        if str(address).startswith(("redis://", "rediss://"))
    }
    failures = [failure for failure in map(redis_failure, sorted(addresses)) if failure]
    if failures:
        _raise_once(cause=Cause.REDIS, text=lambda: f"Redis does not answer: {failures[0]}.")
    else:
        resolve_alert(cause=Cause.REDIS)


def redis_failure(address: str) -> str:
    """Return what keeps this Redis from answering, without its address; "" if it answers."""
    try:
        with redis.Redis.from_url(
            address, socket_connect_timeout=REDIS_TIMEOUT, socket_timeout=REDIS_TIMEOUT
        ) as connection:
            connection.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        return type(error).__name__
    return ""


def _judge_tasks() -> None:
    """Alert on tasks that are late although a worker lives: no tick of beat arrives, or all its threads are blocked."""
    late = tasks_behind()
    if late and living(Process.Kind.WORKER).exists():
        _raise_once(cause=Cause.TASKS, text=lambda: f"These tasks are late, although a worker runs: {', '.join(late)}.")
    elif not late:
        resolve_alert(cause=Cause.TASKS)


def tasks_behind() -> list[str]:
    """Return the frequent tasks that ran once and have not finished a round lately."""
    since = clock.now() - LATE
    if not living(Process.Kind.WORKER).filter(started_at__lt=since).exists():
        return []  # Nobody has had the time to run them.
    found = Heartbeat.objects.filter(task__in=TICKING, beat_at__lt=since).values_list("task", flat=True)
    return sorted(found)


def _raise_once(*, cause: Cause, about: int | None = None, text: Callable[[], str], level: str = "danger") -> None:
    """Raise the alert unless it is open: it is judged every few seconds, by each process."""
    if not Alert.objects.filter(cause=cause.of(about), resolved_at=None).exists():
        raise_alert(cause=cause, about=about, text=text(), level=level)


def _ago(moment: datetime) -> str:
    return f"{duration_text(clock.now() - moment)} ago"
