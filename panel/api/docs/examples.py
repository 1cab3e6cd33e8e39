"""The examples of the documentation: requests as `curl` commands, and their answers.

Signed-in customers see their own services and orders. Made-up numbers are marked as examples: they match another
customer's order only by chance, and never the reader's own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from billing.wallets import spendable
from catalog.service_types import SPECS, TypeSpec
from orders.models import DripFeed, Order, Refill
from orders.selectors import orders_of
from orders.states import DripState, RefillState, Status
from panel.accounts.models import User
from panel.api.services import price_list
from panel.api.status import StatusColumns, read_refills, read_statuses, served_drip_status, served_status
from panel.lib.money import format_plain, refund_for
from panel.site.names import key_variable

# The order id in examples if the customer has no order.
ORDER = 23_501
SAMPLE_REFILLS = {417: RefillState.COMPLETED.label, 418: RefillState.IN_PROGRESS.label}
_QUANTITY, _CHARGE, _LEFT = 1_000, 2_500_000, 157
_PLAIN = re.compile(r"[A-Za-z0-9_.,-]+")
# Parameters that hold no free text: their values need no quoting for the shell or the form.
_NUMBERS = frozenset({"action", "service", "quantity", "runs", "interval", "order", "orders", "refill", "refills"})
# The example order in each status: remains, and the refund in micro-units.
_STANDING: dict[Status, tuple[int, int]] = {
    Status.PENDING: (_QUANTITY, 0),
    Status.PROCESSING: (_QUANTITY, 0),
    Status.IN_PROGRESS: (_LEFT, 0),
    Status.COMPLETED: (0, 0),
    Status.PARTIAL: (_LEFT, refund_for(_CHARGE, undelivered=_LEFT, quantity=_QUANTITY)),
    Status.CANCELED: (_QUANTITY, _CHARGE),
}


@dataclass(frozen=True, slots=True)
class Example:
    """A request and its answer. `params` are without the key; `value` is the answer's JSON value.

    `service` is the row of the reader's own service that it orders, or None; `charge` is the order's, in
    micro-units.
    """

    address: str
    params: Mapping[str, str]
    value: Any
    service: Mapping[str, Any] | None = None
    charge: int = 0

    @property
    def request(self) -> str:
        return as_curl(address=self.address, params=self.params)

    @property
    def answer(self) -> str:
        return as_json(self.value)


@dataclass(frozen=True, slots=True)
class ExampleData:
    """The data that the examples use.

    `rows`: the first row of `services` for each type, by its name in the protocol. `statuses`: answers to `status` by
    order id. `made_up`: order ids for requests that change something, never the customer's: pasting one must not
    cost them an order. `refills`: status by id. `balance` is plain decimal text. The flags say which are the
    customer's own.
    """

    rows: Mapping[str, Mapping[str, Any]]
    statuses: Mapping[int, Mapping[str, str]]
    made_up: tuple[int, int]
    refills: Mapping[int, str]
    balance: str
    has_services: bool = False
    has_orders: bool = False
    has_refills: bool = False


def example_data_of(customer: User | None) -> ExampleData:
    """Return the customer's own data, with made-up examples for what is missing; `customer` is None for a visitor."""
    own = ExampleData(
        rows={spec.wire: _sample_row(number, spec) for number, spec in enumerate(SPECS.values(), start=101)},
        statuses={ORDER: _example_status(Status.IN_PROGRESS), ORDER + 1: _example_status(Status.PARTIAL)},
        made_up=(ORDER, ORDER + 1),
        refills=SAMPLE_REFILLS,
        balance="100.84292",
    )
    if customer is None:
        return own
    rows: dict[str, dict[str, Any]] = {}
    for row in json.loads(price_list(customer=customer).plain()):
        rows.setdefault(row["type"], row)
    if rows:
        own = replace(own, rows=rows, has_services=True)
    if latest := list(orders_of(customer=customer).values_list("pk", flat=True)[:2]):
        answers = read_statuses(customer=customer, ids=latest)
        past_all = latest[0] + 1_000
        own = replace(
            own, statuses={pk: answers[pk] for pk in latest}, made_up=(past_all, past_all + 1), has_orders=True
        )
    if refills := _refills_of(customer):
        own = replace(own, refills=refills, has_refills=True)
    return replace(own, balance=format_plain(spendable(customer=customer)))


def _refills_of(customer: User) -> dict[int, str]:
    """Return the status of the latest two refills, by id."""
    latest = Refill.objects.filter(order__customer=customer).order_by("-pk").values_list("pk", flat=True)[:2]
    found = read_refills(customer=customer, ids=list(latest))
    return dict(sorted(found.items(), reverse=True))


# -- orders as examples ----------------------------------------------------------------------------


def example_statuses() -> dict[str, Mapping[str, str]]:
    """Return the answer for an order of 1,000 at 2.50 in each status."""
    return {status.value: _example_status(status) for status in Status}


def drip_answer(*, runs: int, quantity: int, charge: int) -> Mapping[str, str]:
    """Return the answer for a drip-feed in its second run; each run has `quantity` and `charge` (micro-units)."""
    drip = DripFeed(runs=runs, quantity=quantity, run_charge=charge, begun=2, state=DripState.RUNNING)
    first = Order(quantity=quantity, charge=charge, status=Status.COMPLETED, remains=0, start_count=3_572)
    second = Order(quantity=quantity, charge=charge, status=Status.IN_PROGRESS, remains=quantity // 2)
    second.start_count = 3_572 + quantity
    return served_drip_status(drip, [StatusColumns.of(first), StatusColumns.of(second)]).as_answer()


def _example_status(status: Status) -> Mapping[str, str]:
    remains, refunded = _STANDING[status]
    order = Order(
        quantity=_QUANTITY,
        charge=_CHARGE,
        refunded=refunded,
        status=status,
        remains=remains,
        start_count=0 if status == Status.PENDING else 3_572,
    )
    return served_status(StatusColumns.of(order)).as_answer()


# -- services as examples --------------------------------------------------------------------------


def _sample_row(number: int, spec: TypeSpec) -> dict[str, Any]:
    low, high = ("1", "1") if spec.is_package else ("10", "10000")
    return {
        "service": number,
        "name": f"Instagram {spec.label.lower()}" if spec.wire != "Default" else "Instagram followers",
        "type": spec.wire,
        "category": "Instagram",
        "rate": "2.5",
        "min": low,
        "max": high,
        "refill": True,
        "cancel": True,
        "dripfeed": spec.drips,
        "desc": "",
    }


# -- requests and answers as text ------------------------------------------------------------------


def as_curl(*, address: str, params: Mapping[str, str]) -> str:
    """Return a shell command with one parameter per line; the key comes from the environment.

    Free text is always quoted and encoded, even if not needed: the next link that is put there may contain an "&".
    """
    parts = [f"curl {address}", f'-d key="${key_variable()}"']
    for name, value in params.items():
        if name in _NUMBERS and _PLAIN.fullmatch(value):
            parts.append(f"-d {name}={value}")
        else:
            parts.append(f"--data-urlencode {_quoted(f'{name}={value}')}")
    return " \\\n  ".join(parts)


def first_request(*, address: str) -> str:
    """Return the commands that store the key in the environment and request the balance."""
    request = as_curl(address=address, params={"action": "balance"})
    return f"export {key_variable()}=the-key-you-copied\n{request}"


def _quoted(text: str) -> str:
    """Return `text` for a shell, always in quotes."""
    return "'" + text.replace("'", "'\"'\"'") + "'"


def as_json(value: Any) -> str:
    """Return `value` as indented JSON, with its characters unescaped."""
    return json.dumps(value, indent=2, ensure_ascii=False)
