"""What a call that tells of money costs, from the address to the answer, and what crediting it costs afterwards."""

from __future__ import annotations

import logging
import os
import statistics
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from itertools import cycle
from time import perf_counter
from typing import Any
from uuid import uuid4

from django.test import Client
from django.urls import reverse

from billing.deposits import request_deposit
from billing.intake.calls import Call
from billing.intake.crediting import credit_payment
from billing.models import Deposit, GatewayCall, Payment, PaymentMethod
from tests import make
from tests.bench.environment import settle
from tests.bench.measuring import Wrong, measured
from tests.bench.report import as_text
from tests.billing.intake.calls import arrival_of, signed, signed_method

COLUMNS = ("what", "times", "statements", "p50 ms", "p95 ms", "vs. baseline")
# No customer may have more requests waiting.
CUSTOMERS, PER_CUSTOMER = 50, 4


@dataclass(slots=True)
class _Case:
    """One thing that is done many times, each time with the next of `work`."""

    what: str
    do: Callable[[Any], object]
    work: list[Any]
    seconds: list[float] = field(default_factory=list)
    statements: int = 0

    def run(self) -> None:
        warm_up, first, *rest = self.work
        self.do(warm_up)
        with measured() as once:
            self.do(first)
        self.statements = once.statements
        for one in rest:
            began = perf_counter()
            self.do(one)
            self.seconds.append(perf_counter() - began)

    def quantile(self, percent: int) -> float:
        """Return it in milliseconds."""
        return statistics.quantiles(self.seconds, n=100)[percent - 1] * 1_000


@dataclass(frozen=True, slots=True)
class Intake:
    """The cases; the first is the baseline."""

    cases: list[_Case]

    def __str__(self) -> str:
        base = self.cases[0].quantile(50)
        lines: list[tuple[str, ...]] = [COLUMNS]
        for case in self.cases:
            p50, p95 = case.quantile(50), case.quantile(95)
            share = f"{p50 / base:.1f} times"
            lines.append((case.what, str(len(case.work)), str(case.statements), f"{p50:.1f}", f"{p95:.1f}", share))
        remark = f"In one process, one after another. Load: {os.getloadavg()[0]:.1f}."
        return as_text("intake: calls that tell of money", lines, [remark])


def run(options: Namespace) -> Iterator[Intake]:
    method, secret = signed_method(maximum=10**12)
    calls = [signed(secret, arrival_of(reference=deposit.code)) for deposit in _deposits(method)]
    addresses = cycle(f"192.0.2.{number}" for number in range(1, 250))  # Each may call so often in a minute.
    client, path = Client(headers={"host": "localhost"}), reverse("signed_call", args=[method.pk])
    settle()
    logging.disable(logging.WARNING)  # Each refused call is logged.

    def send(call: Call, right: HTTPStatus) -> None:
        headers = {name: value for name, value in call.headers.items() if name != "content-type"}
        answer = client.post(
            path, call.body, content_type="application/json", headers=headers, REMOTE_ADDR=next(addresses)
        )
        if answer.status_code != right:
            raise Wrong(f"{answer.status_code}: {answer.content[:200]!r}")

    def store_row(call: Call) -> None:
        GatewayCall.objects.create(
            method=method, outcome=GatewayCall.Outcome.REFUSED, headers=call.headers, body=call.body, size=call.size
        )

    def credit(number: int) -> None:
        payment = Payment.objects.order_by("pk")[number]
        if credit_payment(payment_id=payment.pk).state != Payment.State.CREDITED:
            raise Wrong("not credited")

    cases = [
        _Case("one row stored, the baseline", store_row, calls),
        _Case("call of a new payment", lambda call: send(call, HTTPStatus.ACCEPTED), calls),
        _Case("the same call again", lambda call: send(call, HTTPStatus.OK), calls),
        _Case(
            "call with a wrong signature",
            lambda call: send(replace(call, body=call.body + b" "), HTTPStatus.UNAUTHORIZED),
            calls,
        ),
        _Case("crediting it, afterwards", credit, list(range(len(calls)))),
    ]
    for case in cases:
        case.run()
    yield Intake(cases)


def _deposits(method: PaymentMethod) -> Iterator[Deposit]:
    for number in range(CUSTOMERS):
        customer = make.customer(f"payer-{number}@example.org")
        for _ in range(PER_CUSTOMER):
            yield request_deposit(customer=customer, method=method, amount=20_000_000, request_key=uuid4().hex).deposit
