"""The same payment told, and credited, many times at once; first with the guards off, which doubles it."""

from __future__ import annotations

import threading
from unittest.mock import patch

import pytest

from billing import ledger
from billing.intake import crediting
from billing.intake.calls import receive_call
from billing.intake.crediting import credit_payment
from billing.models import Payment
from billing.wallets import balance_of
from panel.lib.money import MICRO
from tests import make
from tests.billing.intake.calls import arrival_of, send, signed, signed_method
from tests.threads import MAX_WAIT_SECONDS, in_threads

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 10


@pytest.fixture
def alice():
    return make.customer()


def test_calls_when_ten_copies_come_at_once_then_one_payment_credited_once(alice):
    method, secret = signed_method()
    call = signed(secret, arrival_of(deposit=make.pending_deposit(alice, method=method).pk))
    answers = in_threads(*[lambda: receive_call(method=method, call=call).status] * THREADS)
    assert sorted(answers) == [200] * (THREADS - 1) + [202]
    [payment] = Payment.objects.all()
    in_threads(*[lambda: credit_payment(payment_id=payment.pk)] * THREADS)
    assert balance_of(customer=alice) == 20 * MICRO


@pytest.mark.postgresql
def test_crediting_when_raced_without_guards_then_money_doubles(alice):
    method, secret = signed_method()
    send(method, secret, arrival_of(deposit=make.pending_deposit(alice, method=method).pk))
    [payment] = Payment.objects.all()
    meeting = threading.Barrier(2)
    post, keys = ledger.post, iter(range(100))

    def unlocked(payment_id):
        found = Payment.objects.select_related("method", "deposit").get(pk=payment_id)
        meeting.wait(MAX_WAIT_SECONDS)
        return found

    def with_any_key(**values):
        return post(**{**values, "key": f"{values['key']}:{next(keys)}"})

    with (
        patch.object(crediting, "_lock", unlocked),
        patch.object(crediting.ledger, "post", with_any_key),
        patch.object(crediting, "_move_payment", lambda *args, **values: None),
        patch.object(crediting, "_credited_of", lambda deposit: deposit.credited),
    ):
        in_threads(*[lambda: credit_payment(payment_id=payment.pk)] * 2)
    assert balance_of(customer=alice) == 40 * MICRO
