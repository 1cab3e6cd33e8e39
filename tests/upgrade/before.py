"""Commands of the release before alone: what it leaves behind. The imports are of where things lay then."""

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

# Of the tasks that leave one.
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
    """The panel's margin, and that of one service, by its number; hundredths of a percent."""
    PricePolicy.objects.update_or_create(pk=1, defaults={"margin_bp": panel})
    Service.objects.filter(pk=service).update(margin_bp=of_service)
    reprice(services=Service.objects.all())


def start_drip_feed(email: str, service: int) -> str:
    """Three runs, the first of them at once; their link."""
    return make.drip(User.objects.get(email=email), Service.objects.get(pk=service)).link


def ask_cancel(order: int) -> None:
    found = Order.objects.get(pk=order)
    request_cancel(order=found, actor=found.customer)


def ask_refill(order: int) -> None:
    found = Order.objects.get(pk=order)
    request_refill(order=found, actor=found.customer)


def ask_deposit(email: str) -> None:
    make.pending_deposit(User.objects.get(email=email))


def invite(email: str) -> str:
    """The link for somebody who is invited; the mail with it waits to be sent."""
    invited = User(email=email)
    invitations.invite(user=invited)
    return invitations.link_of(invited)


def ask_reset(email: str) -> None:
    """A mail goes out with a link to choose another password."""
    answer = client().post(reverse("account_reset_password"), {"email": email})
    assert answer.status_code == 302, answer.content.decode()


def open_alert(cause: str, text: str) -> None:
    raise_alert(cause=cause, text=text)


def beat_an_hour_ago() -> None:
    for task in HEARTBEATS:
        record_heartbeat(task=task)
    Heartbeat.objects.update(beat_at=timezone.now() - timedelta(hours=1))


def make_due() -> None:
    """Whatever waits for its time has waited long enough."""
    worker._end_waits()


def publish() -> list[list[Any]]:
    """Each task that beat sends, and each that is for one provider, to the broker: [its name, the message's id].

    Without the expiry that they have: an upgrade takes minutes, and then most would be thrown away unread.
    """
    current_app.loader.import_default_modules()
    tasks, schedule = current_app.tasks, current_app.conf.beat_schedule
    sent = [(entry["task"], tasks[entry["task"]].delay()) for entry in schedule.values()]
    for name in [name for name in tasks if name.startswith("orders.tasks.") and "_provider_" in name]:
        sent += [(name, tasks[name].delay(pk)) for pk in Provider.objects.values_list("pk", flat=True)]
    return [[name, result.id] for name, result in sent]


def send_to(provider: str) -> int:
    """How many orders went to the provider of that name."""
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
    for one in (collect_static, make_owner, set_margins, start_drip_feed, ask_cancel, ask_refill, ask_deposit, invite)
} | {one.__name__: one for one in (ask_reset, open_alert, beat_an_hour_ago, make_due, publish, send_to, adjust)}

if __name__ == "__main__":
    worker.serve()
