"""The process in which a panel's work is done and its books are read, one command at a time.

A command is a line of JSON, {"do": name, "with": {…}}; so is its answer, {"result": …} or {"error": traceback}.
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
from tests import make  # noqa: E402

_FACTS = (
    *("pk", "service_id", "service_type", "status", "quantity", "link", "params", "price", "charge"),
    *("refunded", "expected_cost", "upstream_charge", "upstream_id", "remains", "start_count", "review_reason"),
    *("status_note", "api_key_ref", "drip_feed_id", "run", "cost", "profit", "is_estimated"),
)


def migrate() -> None:
    call_command("migrate", verbosity=0)
    connections.close_all()  # The database is copied next.


def make_customer(email: str, funds: str) -> int:
    """The customer's number. `funds` in whole currency, as text."""
    return make.customer(email, funds=funds).pk


def deposit(email: str, funds: str) -> None:
    make.deposit(User.objects.get(email=email), funds)


def make_key(email: str, name: str, **values: Any) -> dict[str, Any]:
    made = services.make_key(customer=User.objects.get(email=email), name=name, **values)
    return {"pk": made.key.pk, "secret": made.secret}


def connect(name: str, **values: Any) -> int:
    """A provider with its `url` and `api_key`; other values are its columns."""
    return make.provider(name=name, **values).pk


def stock(**values: Any) -> int:
    """A service on sale that nobody delivers: see tests.make.service."""
    of = Provider.objects.filter(name="Nobody").first() or make.provider(name="Nobody")
    return make.service(of, external_id=str(Service.objects.count() + 1), **values).pk


def run(*rounds: str) -> list[str]:
    """Management commands, one after the other, each as if all waits before it were over; what they printed."""
    printed = []
    for name in rounds:
        _end_waits()
        output = io.StringIO()
        call_command(name, stdout=output)
        printed.append(output.getvalue())
    return printed


def _end_waits() -> None:
    past = timezone.now() - timedelta(seconds=1)
    Order.objects.filter(submission__in=("queued", "in_doubt"), review_reason="").update(next_action_at=past)
    OrderPoll.objects.update(due_at=past)
    for requests in (CancelRequest, Refill):
        requests.objects.exclude(next_action_at=None).update(next_action_at=past)
    DripFeed.objects.exclude(next_run_at=None).update(next_run_at=past)
    Provider.objects.update(paused_until=None, polling_until=None)


def catalog() -> list[dict[str, Any]]:
    """What is sold, by the provider's ids; `wire` is the type's name in the protocol."""
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
    """The orders that these columns choose, oldest first, with what was earned by each; micro-units."""
    return list(with_profit(Order.objects.filter(**values)).order_by("pk").values(*_FACTS, placement=F("submission")))


def money(email: str) -> dict[str, Any]:
    """Micro-units: the balance, and the entries as [kind, amount], oldest first."""
    entries = Entry.objects.filter(wallet__customer__email=email).order_by("seq").values_list("kind", "amount")
    return {"balance": Wallet.objects.get(customer__email=email).balance, "entries": [*map(list, entries)]}


def refills() -> list[dict[str, Any]]:
    return list(Refill.objects.order_by("pk").values("pk", "order_id", "state", "upstream_id"))


def change(model: str, chosen: dict[str, Any], **values: Any) -> int:
    """Columns of the rows of a model ("orders.Order") that `chosen` chooses; how many."""
    return apps.get_model(model).objects.filter(**chosen).update(**values)


def age(order: int, days: int) -> None:
    """The order was made so many days earlier."""
    made = Order.objects.get(pk=order)
    Order.objects.filter(pk=order).update(created_at=made.created_at - timedelta(days=days))


def staff_send_again(order: int) -> None:
    send_again(order=Order.objects.get(pk=order), actor=_owner())


def staff_bind(order: int, upstream_id: str) -> None:
    bind_upstream_id(order=Order.objects.get(pk=order), upstream_id=upstream_id, actor=_owner())


def _owner() -> User:
    return User.objects.filter(is_superuser=True).first() or make.owner()


def spent(key: int) -> int:
    """What the key spent today, in micro-units."""
    return ApiKey.objects.get(pk=key).spent


COMMANDS: dict[str, Callable[..., Any]] = {
    one.__name__: one
    for one in (migrate, make_customer, deposit, make_key, connect, stock, catalog, orders, money, refills, change)
} | {one.__name__: one for one in (age, staff_send_again, staff_bind, spent)}
COMMANDS["run"] = lambda rounds: run(*rounds)


def serve() -> None:
    """Until the other end closes."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Whatever else is printed is no answer.
    for line in sys.stdin:
        given = json.loads(line)
        try:
            said = {"result": COMMANDS[given["do"]](**given["with"])}
        except Exception:
            said = {"error": traceback.format_exc()}
        answers.write(json.dumps(said, default=str) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
