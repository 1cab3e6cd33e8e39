"""The examples of the documentation: requests as `curl` sends them, and the answers that they get.

Whoever is signed in sees services and orders of their own. Numbers that stand for nothing are marked as examples:
none of them is ever that of another customer's order by more than chance, and none is the customer's own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from catalog.service_types import SPECS, TypeSpec
from orders.models import DripFeed, Order, Refill
from orders.selectors import orders_of
from orders.states import DripState, RefillState, Status
from panel.api.endpoint import Caller, answer
from panel.api.services import price_list
from panel.api.status import Standing, read_statuses, tell, tell_drip
from panel.lib.money import charge_for, parse_money, refund_for

ORDER = 23_501
"""What stands for an order where there is none to show."""
SAMPLE_REFILLS = {417: RefillState.COMPLETED.label, 418: RefillState.IN_PROGRESS.label}
_QUANTITY, _CHARGE, _LEFT = 1_000, 2_500_000, 157
_PLAIN = re.compile(r"[A-Za-z0-9_.,-]+")
_NUMBERS = frozenset(
    ("action", "service", "quantity", "runs", "interval", "order", "orders", "refill", "refills"),
)
"""Parameters that hold no text of people: whatever is put in their place, the shell and the form leave it whole."""
_STANDING: dict[Status, tuple[int, int]] = {
    Status.PENDING: (_QUANTITY, 0),
    Status.PROCESSING: (_QUANTITY, 0),
    Status.IN_PROGRESS: (_LEFT, 0),
    Status.COMPLETED: (0, 0),
    Status.PARTIAL: (_LEFT, refund_for(_CHARGE, undelivered=_LEFT, quantity=_QUANTITY)),
    Status.CANCELED: (_QUANTITY, _CHARGE),
}
"""Of the example's order in each status: remains, and what was given back in micro-units."""


@dataclass(frozen=True, slots=True)
class Example:
    """A request and its answer. `params` without the key; `value` is the answer's JSON value. `note`: what comes of
    sending it, or that its numbers are made up."""

    label: str
    address: str
    params: Mapping[str, str]
    value: Any
    note: str = ""

    @property
    def request(self) -> str:
        return as_curl(address=self.address, params=self.params)

    @property
    def answer(self) -> str:
        return as_json(self.value)


@dataclass(frozen=True, slots=True)
class Own:
    """What the examples speak of.

    `rows`: of each type (as the protocol names it) the first row of `services`. `told`: answers to `status` by order
    id. `made_up`: ids of orders that stand in requests that change something, never the customer's: whoever pastes one
    must not lose an order. `refills`: status by id. `balance` is plain decimal text. The flags say which are the
    customer's own.
    """

    rows: Mapping[str, Mapping[str, Any]]
    told: Mapping[int, Mapping[str, str]]
    made_up: tuple[int, int]
    refills: Mapping[int, str]
    balance: str
    has_services: bool = False
    has_orders: bool = False
    has_refills: bool = False


def own_of(customer: Any) -> Own:
    """What there is of the customer's own, and examples for the rest; `customer` is None for a visitor."""
    rows = {spec.wire: _sample_row(number, spec) for number, spec in enumerate(SPECS.values(), start=101)}
    told = {ORDER + number: _told(status) for number, status in enumerate(_SHOWN)}
    ids = (ORDER, ORDER + 1)
    if customer is None:
        return Own(rows, told, ids, SAMPLE_REFILLS, "100.84292")
    listed: dict[str, dict[str, Any]] = {}
    for row in json.loads(price_list(customer=customer).plain()):
        listed.setdefault(row["type"], row)
    latest = list(orders_of(customer=customer).values_list("pk", flat=True)[:2])
    refills = Refill.objects.filter(order__customer=customer).order_by("-pk").values_list("pk", flat=True)[:2]
    if latest:
        # Past all of their own.
        ids = (latest[0] + 1_000, latest[0] + 1_001)
    answers = read_statuses(customer=customer, ids=latest)
    told_refills = {pk: _told_refill(customer, pk) for pk in refills}
    return Own(
        rows=listed or rows,
        told={pk: answers[pk] for pk in latest} or told,
        made_up=ids,
        refills=told_refills or SAMPLE_REFILLS,
        balance=answer(caller=Caller(customer), params={"action": "balance"})["balance"],
        has_services=bool(listed),
        has_orders=bool(latest),
        has_refills=bool(told_refills),
    )


def _told_refill(customer: Any, pk: int) -> str:
    return str(answer(caller=Caller(customer), params={"action": "refill_status", "refill": str(pk)})["status"])


# -- orders as examples ----------------------------------------------------------------------------

_SHOWN = (Status.IN_PROGRESS, Status.PARTIAL)


def standings() -> list[tuple[Status, Mapping[str, str]]]:
    """Each status with the answer that an order of 1,000 for 2.50 gets in it."""
    return [(status, _told(status)) for status in Status]


def drip_answer(*, runs: int, quantity: int, charge: int) -> Mapping[str, str]:
    """A drip-feed in the middle of its second run; `quantity` and `charge` (micro-units) are those of each run."""
    drip = DripFeed(runs=runs, quantity=quantity, run_charge=charge, begun=2, state=DripState.RUNNING)
    first = Order(quantity=quantity, charge=charge, status=Status.COMPLETED, remains=0, start_count=3_572)
    second = Order(quantity=quantity, charge=charge, status=Status.IN_PROGRESS, remains=quantity // 2)
    second.start_count = 3_572 + quantity
    return tell_drip(drip, [Standing.of(first), Standing.of(second)]).as_answer()


def _told(status: Status) -> Mapping[str, str]:
    remains, refunded = _STANDING[status]
    order = Order(
        quantity=_QUANTITY,
        charge=_CHARGE,
        refunded=refunded,
        status=status,
        remains=remains,
        start_count=0 if status == Status.PENDING else 3_572,
    )
    return tell(Standing.of(order)).as_answer()


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


def charge_of(row: Mapping[str, Any], *, quantity: int, is_package: bool) -> int:
    """Micro-units for `quantity` at the row's rate; a package has one price."""
    price = parse_money(row["rate"])
    return price if is_package else charge_for(price, quantity)


# -- requests and answers as text ------------------------------------------------------------------


def as_curl(*, address: str, params: Mapping[str, str]) -> str:
    """A shell command, one parameter in each line, its key from the environment.

    What people type is quoted and encoded even where it need not be: the next link that stands there has an "&".
    """
    parts = [f"curl {address}", '-d key="$UPMARK_KEY"']
    for name, value in params.items():
        if name in _NUMBERS and _PLAIN.fullmatch(value):
            parts.append(f"-d {name}={value}")
        else:
            parts.append(f"--data-urlencode {_quoted(f'{name}={value}')}")
    return " \\\n  ".join(parts)


def first_request(*, address: str) -> str:
    """Puts the key where all requests take it from, and asks for the balance with it."""
    request = as_curl(address=address, params={"action": "balance"})
    return f"export UPMARK_KEY=the-key-you-copied\n{request}"


def _quoted(text: str) -> str:
    """For a shell, always in quotes."""
    return "'" + text.replace("'", "'\"'\"'") + "'"


def as_json(value: Any) -> str:
    """Indented, in the letters that it was sent in."""
    return json.dumps(value, indent=2, ensure_ascii=False)
