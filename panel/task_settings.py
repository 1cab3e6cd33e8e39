"""Celery's settings and the beat schedule. Intervals are seconds.

Every task claims what is due, so running one twice, late or on two machines at once is harmless.
"""

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

# A tick that nobody picked up in time is worthless: the next one does the same work.
beat_schedule = {
    "submit-orders": {
        "task": "orders.tasks.submit_orders",
        "schedule": 2.0,
        "options": {"expires": 2},
    },
    "begin-runs": {
        "task": "orders.tasks.begin_runs",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    "find-shelf-news": {
        "task": "catalog.tasks.find_shelf_news",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
    "send-deposit-mails": {
        "task": "billing.tasks.send_deposit_mails",
        "schedule": 15.0,
        "options": {"expires": 15},
    },
    "send-account-mails": {
        "task": "panel.accounts.tasks.send_account_mails",
        "schedule": 15.0,
        "options": {"expires": 15},
    },
    "reconcile-orders": {
        "task": "orders.tasks.reconcile_orders",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "poll-orders": {
        "task": "orders.tasks.poll_orders",
        "schedule": 3.0,
        "options": {"expires": 3},
    },
    "watch-polls": {
        "task": "orders.tasks.watch_polls",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "watch-services": {
        "task": "orders.tasks.watch_services",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "send-requests": {
        "task": "orders.tasks.send_requests",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "poll-refills": {
        "task": "orders.tasks.poll_refills",
        "schedule": 15.0,
        "options": {"expires": 15},
    },
    "run-imports": {
        "task": "catalog.tasks.run_imports",
        "schedule": 3.0,
        "options": {"expires": 3},
    },
    "sync-catalogs": {
        "task": "catalog.tasks.sync_catalogs",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "count-figures": {
        "task": "orders.tasks.count_figures",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
    "check-providers": {
        "task": "catalog.tasks.check_providers",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
    "reckon-providers": {
        "task": "orders.tasks.reckon_providers",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "check-ledger": {
        "task": "panel.ops.tasks.check_ledger",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "check-settings": {
        "task": "panel.ops.tasks.check_settings",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "prune": {
        "task": "panel.ops.tasks.prune",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "clear-sessions": {
        "task": "panel.ops.tasks.clear_sessions",
        "schedule": 24 * 3600.0,
        "options": {"expires": 3600},
    },
}
