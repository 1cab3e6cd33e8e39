"""Killed before any one statement of its work, and started again: each payment is credited once, and none is lost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from billing.intake.calls import receive_call
from billing.intake.invoices import open_invoice
from billing.intake.rounds import run_payments
from billing.models import Invoice, Payment
from billing.wallets import balance_of
from panel.lib.money import MICRO
from panel.ops.invariants import find_breaches
from tests import make
from tests.billing.intake.calls import arrival_of, signed, signed_method

pytestmark = pytest.mark.django_db(transaction=True)

MAX_STATEMENTS = 200


class Killed(BaseException):
    """What a killed process leaves: no statement after it, and an open transaction that the database takes back."""


def killed_before(statement: int, work: Callable[[], Any]) -> bool:
    """Run `work` up to its statement of this number. Return True if it has fewer, and so ran to its end."""
    left = [statement]

    def die(execute: Any, *args: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return execute(*args)

    with suppress(Killed), connection.execute_wrapper(die):
        work()
        return True
    connection.close()
    return False


def at_each_statement(work: Callable[[int], Any], check: Callable[[int], None]) -> int:
    """Kill `work` before each of its statements in turn, each time from the start; return how many it has."""
    for statement in range(MAX_STATEMENTS):
        is_done = killed_before(statement, lambda number=statement: work(number))  # type: ignore[misc]
        check(statement)
        if is_done:
            return statement
    raise AssertionError("it does not end")


def test_signed_call_when_killed_anywhere_then_repeated_and_credited_once():
    method, secret = signed_method(bonus_bp=1_000)
    people = [make.customer(f"c{number}@example.org") for number in range(MAX_STATEMENTS // 2)]
    requests = [make.pending_deposit(person, "20", method=method) for person in people]
    calls = [signed(secret, arrival_of(deposit=request.pk)) for request in requests]

    def work(number: int) -> None:
        receive_call(method=method, call=calls[number])
        run_payments()

    def check(number: int) -> None:
        receive_call(method=method, call=calls[number])
        Payment.objects.filter(due_at__isnull=False).update(due_at=timezone.now())
        run_payments()
        assert balance_of(customer=people[number]) == 22 * MICRO

    assert at_each_statement(work, check) > 20
    assert not find_breaches()


@pytest.mark.parametrize("code", ["fake", "fake-once"])
def test_invoice_when_killed_anywhere_then_one_at_the_gateway_and_credited_once(books, method_of, code):
    method = method_of(code)
    people = [make.customer(f"c{number}@example.org") for number in range(MAX_STATEMENTS // 2)]
    requests = [make.pending_deposit(person, "20", method=method) for person in people]

    def due(number: int) -> None:
        past = timezone.now() - timedelta(minutes=5)
        Invoice.objects.filter(deposit=requests[number]).update(
            next_poll_at=timezone.now(), asked_at=past, created_at=past
        )
        Payment.objects.filter(due_at__isnull=False).update(due_at=timezone.now())
        run_payments()

    def work(number: int) -> None:
        invoice = open_invoice(deposit=requests[number])
        books.pay(invoice.our_ref, "20")
        due(number)

    def check(number: int) -> None:
        for _ in range(3):
            invoice = open_invoice(deposit=requests[number])
            due(number)
        kept = [one for one in books.invoices.values() if one.ref == invoice.our_ref]
        assert len(kept) == 1
        if not kept[0].payments:
            books.pay(invoice.our_ref, "20")
        due(number)
        assert balance_of(customer=people[number]) == 20 * MICRO

    assert at_each_statement(work, check) > 20
    assert not find_breaches()
