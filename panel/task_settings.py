"""Celery's settings and the beat schedule. Intervals are seconds.

Every task claims what is due, so running one twice, late or on two machines at once is harmless.
"""

import time
from datetime import UTC, datetime, timedelta

from celery.schedules import schedule
from django.conf import settings
from kombu.entity import Exchange, Queue

broker_url = settings.CELERY_BROKER_URL
# A broker that is down or refuses never ends a worker: it retries without limit.
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
broker_channel_error_retry = True
broker_transport_options = {
    # Queue, bindings and broadcasts: other panels may use the same Redis.
    "global_keyprefix": f"{settings.PANEL_PREFIX}:",
    "socket_timeout": 5,
    "socket_connect_timeout": 1,
    # A connection does not report that the broker's machine is gone: a check this often notices it.
    "health_check_interval": 5,
    # One attempt without sleep: a hint must never make a customer wait for a broker that is down.
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}
task_ignore_result = True
# See docs/adr/0015-hints-carry-no-acks.md. The embedded broker cannot be lost, and limits what a worker takes ahead
# only by counting unacknowledged messages.
task_acks_late = False
task_default_queue = "celery"
_no_ack = not settings.EMBEDDED_BROKER
task_queues = [Queue("celery", Exchange("celery"), routing_key="celery", no_ack=_no_ack)]  # type: ignore[no-untyped-call]
# Without acknowledgements no other setting keeps a worker from taking more than it has threads for.
worker_disable_prefetch = not settings.EMBEDDED_BROKER
worker_enable_prefetch_count_reduction = False
worker_prefetch_multiplier = 1
worker_hijack_root_logger = False
# Without a mail server, mails are printed: in full, not as one truncated log line.
worker_redirect_stdouts = False
worker_enable_remote_control = False
worker_pool = "panel.hint_tasks:HintPool"
# Calls of providers have lanes of their own.
worker_concurrency = 12
task_publish_retry = False
timezone = settings.TIME_ZONE

# Seconds from the begin of a round to that of the next, by task.
INTERVALS = {
    "orders.tasks.submit_orders": 2.0,
    "orders.tasks.begin_runs": 10.0,
    "catalog.tasks.find_shelf_news": 300.0,
    "billing.tasks.credit_payments": 10.0,
    "billing.tasks.compare_payment_days": 20.0,
    "billing.tasks.refresh_options": 30.0,
    "billing.tasks.send_deposit_mails": 15.0,
    "panel.accounts.tasks.send_account_mails": 15.0,
    "panel.staff.tasks.send_look_mails": 15.0,
    "panel.channels.tasks.tell_owner": 10.0,
    "panel.news.tasks.tell_customers": 30.0,
    "panel.levels.tasks.move_customers": 300.0,
    "orders.tasks.reconcile_orders": 5.0,
    "orders.tasks.poll_orders": 3.0,
    "orders.tasks.watch_polls": 60.0,
    "orders.tasks.watch_services": 60.0,
    "orders.tasks.send_requests": 5.0,
    "orders.tasks.poll_refills": 15.0,
    "catalog.tasks.run_imports": 3.0,
    "catalog.tasks.sync_catalogs": 3600.0,
    "orders.tasks.count_figures": 300.0,
    "orders.tasks.count_late_orders": 60.0,
    "catalog.tasks.check_providers": 300.0,
    "orders.tasks.reckon_providers": 60.0,
    "panel.ops.tasks.check_ledger": 3600.0,
    "panel.ops.tasks.check_settings": 60.0,
    "panel.ops.tasks.watch_business": 30.0,
    "panel.ops.tasks.tell_week": 3600.0,
    "panel.ops.tasks.count_customers": 60.0,
    "panel.ops.tasks.prune": 3600.0,
}
# Beat ticks at least so often, in seconds. Whether a round is due is in the database, which no restart forgets.
MAX_TICK = 60.0


def steady_now() -> datetime:
    """Return the time at which this process started, plus what has passed since by the monotonic clock.

    Beat counts by it: a clock that is set back would otherwise stop its ticks until it has caught up.
    """
    return _STARTED + timedelta(seconds=time.monotonic() - _STARTED_MONOTONIC)


_STARTED, _STARTED_MONOTONIC = datetime.now(UTC), time.monotonic()

# A tick has no expiry, which would compare beat's clock with the worker's: see docs/adr/0025-the-databases-time.md.
beat_schedule = {
    task.rpartition(".")[2].replace("_", "-"): {
        "task": task,
        "schedule": schedule(min(seconds, MAX_TICK), nowfun=steady_now),
    }
    for task, seconds in INTERVALS.items()
}
# Without a file of its own, from which a beat with a wrong clock would read when it last ticked.
beat_scheduler = "celery.beat:Scheduler"
