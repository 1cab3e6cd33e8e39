"""The process that does a panel's work and reads its database, one command at a time.

A command is a line of JSON, {"do": name, "with": {…}}; so is its answer, {"result": …} or {"error": traceback}.
`tests/upgrade` gives the same commands to the release before: their names and results must not change.
"""

from __future__ import annotations

import io
import json
import os
import sys
import traceback
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import django

django.setup()

from django.apps import apps  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connections  # noqa: E402
from django.db.models import F  # noqa: E402
from django.utils import timezone  # noqa: E402

from billing.models import Entry, Wallet  # noqa: E402
from catalog.models import Provider, Service  # noqa: E402
from catalog.service_types import SPECS  # noqa: E402
from orders.models import CancelRequest, DripFeed, Order, OrderPoll, Refill  # noqa: E402
from orders.reports.profit import with_profit  # noqa: E402
from orders.review.decisions import bind_upstream_id, send_again  # noqa: E402
from panel.accounts.models import ApiKey, User  # noqa: E402
from panel.api.keys import services  # noqa: E402
from panel.channels.models import Channel  # noqa: E402
from panel.lib.crypto import encrypt  # noqa: E402
from panel.lib.signatures import new_secret  # noqa: E402
from tests import make  # noqa: E402

# Columns of an order that `orders` returns.
_FACTS = (
    *("pk", "service_id", "service_type", "status", "quantity", "link", "params", "price", "charge"),
    *("refunded", "expected_cost", "upstream_charge", "upstream_id", "remains", "start_count", "review_reason"),
    *("status_note", "api_key_ref", "drip_feed_id", "run", "cost", "profit", "is_estimated"),
)


def migrate() -> None:
    call_command("migrate", verbosity=0)
    connections.close_all()  # Open connections would prevent copying the database.


def make_customer(email: str, funds: str) -> int:
    """Create a customer and return the primary key. `funds` is in whole currency, as text."""
    return make.customer(email, funds=funds).pk


def make_channels(hook: str, token: str) -> None:
    """Create a mail, a Telegram and a webhook channel to servers of the test."""
    Channel.objects.create(name="Mail", kind="mail", target="owner@example.org")
    Channel.objects.create(name="Phone", kind="telegram", target="-1001", secret_encrypted=encrypt(token))
    Channel.objects.create(name="Hook", kind="webhook", target=hook, secret_encrypted=encrypt(new_secret()))


def deposit(email: str, funds: str) -> None:
    make.deposit(User.objects.get(email=email), funds)


def make_key(email: str, name: str, **values: Any) -> dict[str, Any]:
    customer = make.confirm_address(User.objects.get(email=email))
    made = services.make_key(customer=customer, name=name, **values)
    return {"pk": made.key.pk, "secret": made.secret}


def connect(name: str, **values: Any) -> int:
    """Create a provider and return its primary key. `values` are its `url`, `api_key` and other columns."""
    return make.provider(name=name, **values).pk


def stock(**values: Any) -> int:
    """Create a service on sale at a provider without a server. `values` are those of `tests.make.service`."""
    provider = Provider.objects.filter(name="Nobody").first() or make.provider(name="Nobody")
    return make.service(provider, external_id=str(Service.objects.count() + 1), **values).pk


def run(*rounds: str) -> list[str]:
    """Run management commands in turn, ending all waits before each. Return what they printed."""
    printed = []
    for name in rounds:
        _end_waits()
        output = io.StringIO()
        call_command(name, stdout=output)
        printed.append(output.getvalue())
    return printed


def _end_waits() -> None:
    """Make all waiting orders, requests, drip-feeds and providers due."""
    past = timezone.now() - timedelta(seconds=1)
    Order.objects.filter(submission__in=("queued", "in_doubt"), review_reason="").update(next_action_at=past)
    OrderPoll.objects.update(due_at=past)
    for requests in (CancelRequest, Refill):
        requests.objects.exclude(next_action_at=None).update(next_action_at=past)
    DripFeed.objects.exclude(next_run_at=None).update(next_run_at=past)
    Provider.objects.update(paused_until=None, polling_until=None)


def catalog() -> list[dict[str, Any]]:
    """Return all services, on sale or not. `wire` is the name of the type in the protocol; "" for unknown types."""
    return [
        {
            "pk": service.pk,
            "external_id": service.upstream.external_id,
            "name": service.name,
            "category": service.category.name,
            "wire": SPECS[service.type].wire if service.type in SPECS else "",
            "cost": service.cost,
            "price": service.price,
            "is_on_sale": service.is_on_sale,
            "min": service.upstream.min_quantity,
            "max": service.upstream.max_quantity,
            "refill": service.upstream.refill,
            "cancel": service.upstream.cancel,
        }
        for service in Service.objects.select_related("upstream", "category").order_by("pk")
    ]


def orders(**values: Any) -> list[dict[str, Any]]:
    """Return the orders with these column values, oldest first, with the profit of each. Amounts are micro-units."""
    return list(with_profit(Order.objects.filter(**values)).order_by("pk").values(*_FACTS, placement=F("submission")))


def money(email: str) -> dict[str, Any]:
    """Return the balance, and the entries as [kind, amount], oldest first. Amounts are micro-units."""
    entries = Entry.objects.filter(wallet__customer__email=email).order_by("seq").values_list("kind", "amount")
    return {"balance": Wallet.objects.get(customer__email=email).balance, "entries": [*map(list, entries)]}


def alerts() -> list[str]:
    """Return the causes of the open alerts, oldest first."""
    found = apps.get_model("ops.Alert").objects.filter(resolved_at=None)
    return list(found.order_by("pk").values_list("cause", flat=True))


def refills() -> list[dict[str, Any]]:
    return list(Refill.objects.order_by("pk").values("pk", "order_id", "state", "upstream_id"))


def change(model: str, chosen: dict[str, Any], **values: Any) -> int:
    """Update columns of the model ("orders.Order") in the rows that `chosen` selects. Return how many."""
    return apps.get_model(model).objects.filter(**chosen).update(**values)


def age(order: int, days: int) -> None:
    """Move the creation of the order `days` into the past."""
    found = Order.objects.get(pk=order)
    Order.objects.filter(pk=order).update(created_at=found.created_at - timedelta(days=days))


def staff_send_again(order: int) -> None:
    send_again(order=Order.objects.get(pk=order), actor=_owner())


def staff_bind(order: int, upstream_id: str) -> None:
    bind_upstream_id(order=Order.objects.get(pk=order), upstream_id=upstream_id, actor=_owner())


def _owner() -> User:
    return User.objects.filter(is_superuser=True).first() or make.owner()


def spent(key: int) -> int:
    """Return what the key has spent today, in micro-units."""
    return ApiKey.objects.get(pk=key).spent


COMMANDS: dict[str, Callable[..., Any]] = {
    one.__name__: one
    for one in (
        migrate,
        make_customer,
        deposit,
        make_key,
        connect,
        stock,
        catalog,
        orders,
        money,
        alerts,
        refills,
        change,
    )
} | {one.__name__: one for one in (age, staff_send_again, staff_bind, spent, make_channels)}
COMMANDS["run"] = lambda rounds: run(*rounds)


def serve() -> None:
    """Answer commands until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Other output goes to stderr, so that it is not taken for an answer.
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = {"result": COMMANDS[command["do"]](**command["with"])}
        except Exception:
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer, default=str) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
