"""Celery's doors to operations."""

from celery import shared_task

from panel.ops.alerts import raise_alert, record_heartbeat, resolve_alert
from panel.ops.invariants import find_breaches


@shared_task
def check_ledger() -> None:
    """Alerts on every invariant that does not hold, and takes back the alert once it does."""
    breaches = find_breaches()
    if breaches:
        text = "; ".join(f"{breach.invariant}: {breach.rows[0]}" for breach in breaches)
        raise_alert(cause="ledger", text=f"The books do not balance. {text}", level="danger")
    else:
        resolve_alert(cause="ledger")
    record_heartbeat(task="check_ledger")
