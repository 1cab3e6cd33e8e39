"""Commands that only the release before runs: they leave work of every kind behind. The imports are of its modules."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import django

django.setup()

from celery import current_app  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.urls import reverse  # noqa: E402
from django.utils import timezone  # noqa: E402

import panel.celery  # noqa: E402, F401
from billing.adjusting import adjust_wallet  # noqa: E402
from billing.models import Entry, Wallet  # noqa: E402
from catalog.models import PricePolicy, Provider, Service  # noqa: E402
from catalog.repricing import reprice  # noqa: E402
from orders.cancelling import request_cancel  # noqa: E402
from orders.models import Order  # noqa: E402
from orders.refilling import request_refill  # noqa: E402
from orders.submission import submit_for_provider  # noqa: E402
from panel.accounts import invitations  # noqa: E402
from panel.accounts.models import User  # noqa: E402
from panel.ops.alerts import raise_alert, record_heartbeat  # noqa: E402
from panel.ops.models import Heartbeat  # noqa: E402
from tests import make  # noqa: E402
from tests.chain import worker  # noqa: E402
from tests.upgrade.both import client  # noqa: E402

# The tasks that record a heartbeat.
HEARTBEATS = (
    *("submit_orders", "begin_runs", "reconcile_orders", "poll_orders", "send_requests", "poll_refills"),
    *("count_figures", "run_imports", "sync_catalogs", "check_providers", "find_shelf_news"),
    *("send_deposit_mails", "send_account_mails", "check_ledger"),
)


def collect_static() -> None:
    call_command("collectstatic", interactive=False, verbosity=0)


def make_owner(email: str) -> None:
    make.owner(email)


def set_margins(panel: int, service: int, of_service: int) -> None:
    """Set the margins of the panel and of the service with this primary key, in hundredths of a percent."""
    PricePolicy.objects.update_or_create(pk=1, defaults={"margin_bp": panel})
    Service.objects.filter(pk=service).update(margin_bp=of_service)
    reprice(services=Service.objects.all())


def start_drip_feed(email: str, service: int) -> str:
    """Start a drip-feed of three runs, the first of them now. Return its link."""
    return make.drip(User.objects.get(email=email), Service.objects.get(pk=service)).link


def cancel_order(order: int) -> None:
    found = Order.objects.get(pk=order)
    request_cancel(order=found, actor=found.customer)


def refill_order(order: int) -> None:
    found = Order.objects.get(pk=order)
    request_refill(order=found, actor=found.customer)


def start_deposit(email: str) -> None:
    make.pending_deposit(User.objects.get(email=email))


def invite(email: str) -> str:
    """Invite a customer and return the link. The mail with it waits to be sent."""
    invited = User(email=email)
    invitations.invite(user=invited)
    return invitations.link_of(invited)


def reset_password(email: str) -> None:
    """Request the mail with a link to choose another password."""
    answer = client().post(reverse("account_reset_password"), {"email": email})
    assert answer.status_code == 302, answer.content.decode()


def open_alert(cause: str, text: str) -> None:
    raise_alert(cause=cause, text=text)


def beat_minutes_ago() -> None:
    """Record a heartbeat of each task, five minutes ago: what ran until a moment before the upgrade."""
    for task in HEARTBEATS:
        record_heartbeat(task=task)
    Heartbeat.objects.update(beat_at=timezone.now() - timedelta(minutes=5))


def make_due() -> None:
    """End all waits, so that all waiting work is due."""
    worker._end_waits()


def publish() -> list[list[Any]]:
    """Send a message for each scheduled task and each task of one provider. Return [task name, message id] of each.

    The messages have no expiry: an upgrade takes minutes, after which the worker would discard most of them.
    """
    current_app.loader.import_default_modules()
    tasks, schedule = current_app.tasks, current_app.conf.beat_schedule
    sent = [(entry["task"], tasks[entry["task"]].delay()) for entry in schedule.values()]
    for name in [name for name in tasks if name.startswith("orders.tasks.") and "_provider_" in name]:
        sent += [(name, tasks[name].delay(pk)) for pk in Provider.objects.values_list("pk", flat=True)]
    return [[name, result.id] for name, result in sent]


def send_to(provider: str) -> int:
    """Submit the due orders of the provider with this name. Return how many were sent."""
    return submit_for_provider(provider=Provider.objects.get(name=provider))


def adjust(email: str, amount: int, reason: str) -> None:
    adjust_wallet(
        wallet=Wallet.objects.get(customer__email=email),
        amount=amount,
        kind=Entry.Kind.ADJUSTMENT,
        reason=reason,
        request_key=reason,
        actor=User.objects.filter(is_superuser=True).get(),
    )


worker.COMMANDS |= {
    one.__name__: one
    for one in (collect_static, make_owner, set_margins, start_drip_feed, cancel_order, refill_order, invite)
} | {
    one.__name__: one
    for one in (start_deposit, reset_password, open_alert, beat_minutes_ago, make_due, publish, send_to, adjust)
}

if __name__ == "__main__":
    worker.serve()
