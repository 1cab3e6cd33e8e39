"""Signed calls: what is taken, what is refused, and that each is kept."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus

import pytest
from django.utils import timezone

from billing.intake.calls import MAX_BODY
from billing.intake.crediting import credit_due_payments
from billing.intake.secrets import add_secret, end_old_secrets
from billing.models import GatewayCall, Payment, SigningSecret
from billing.references import shown_code
from billing.wallets import balance_of
from panel.alerts.models import Alert
from panel.lib.money import MICRO
from panel.lib.signatures import new_secret
from panel.ops.pruning.old_rows import prune_calls
from tests import make
from tests.billing.intake.calls import arrival_of, receive_call, send, signed, signed_method

pytestmark = pytest.mark.django_db


@pytest.fixture
def method():
    return signed_method()


def balance(user):
    return balance_of(customer=user) / MICRO


def test_call_when_genuine_then_kept_and_credited_by_the_next_round():
    method, secret = signed_method(bonus_bp=500)
    alice = make.customer()
    deposit = make.pending_deposit(alice, method=method)
    answer = send(method, secret, arrival_of(reference=f"INV {shown_code(deposit.code).lower()} thanks"))
    assert answer.status is HTTPStatus.ACCEPTED
    assert balance(alice) == 0
    assert credit_due_payments() == 1
    assert balance(alice) == 21
    deposit.refresh_from_db()
    assert (deposit.state, deposit.credited, deposit.bonus) == ("approved", 20 * MICRO, 1 * MICRO)
    call = GatewayCall.objects.get()
    assert (call.outcome, call.is_genuine, json.loads(bytes(call.body))["amount"]) == ("accepted", True, "20.00")
    assert call.payment == Payment.objects.get(state="credited")


@pytest.mark.parametrize("times", [1, 10])
def test_call_when_repeated_then_credited_once_and_each_kept(method, times):
    method, secret = method
    alice = make.customer()
    arrival = arrival_of(deposit=make.pending_deposit(alice, method=method).pk)
    call = signed(secret, arrival)
    answers = [receive_call(method=method, call=call).status for _ in range(1 + times)]
    credit_due_payments()
    send(method, secret, arrival)  # A month later, under a new id of the message.
    credit_due_payments()
    assert answers == [HTTPStatus.ACCEPTED, *[HTTPStatus.OK] * times]
    assert balance(alice) == 20
    assert GatewayCall.objects.count() == times + 2
    assert Payment.objects.count() == 1


def test_call_when_a_second_payment_comes_for_a_paid_request_then_new_money(method):
    method, secret = method
    alice = make.customer()
    deposit = make.pending_deposit(alice, method=method)
    for _ in range(2):
        send(method, secret, arrival_of(deposit=deposit.pk))
        credit_due_payments()
    deposit.refresh_from_db()
    assert (balance(alice), deposit.credited) == (40, 40 * MICRO)


def altered(call, **headers):
    return replace(call, headers={**call.headers, **headers})


@pytest.mark.parametrize(
    ("spoil", "status"),
    [
        (lambda call: replace(call, body=call.body.replace(b"20.00", b"90.00")), 401),
        (lambda call: altered(call, **{"webhook-id": "msg_other"}), 401),
        (lambda call: altered(call, **{"webhook-id": "a.b"}), 401),
        (lambda call: altered(call, **{"webhook-timestamp": "1"}), 401),
        (lambda call: altered(call, **{"webhook-signature": ""}), 401),
        (lambda call: replace(call, size=10_000_000), 413),
        (lambda call: replace(call, size=MAX_BODY + 1), 413),
    ],
)
def test_call_when_not_genuine_then_refused_kept_and_nothing_credited(method, spoil, status):
    method, secret = method
    alice = make.customer()
    deposit = make.pending_deposit(alice, method=method)
    answer = receive_call(method=method, call=spoil(signed(secret, arrival_of(deposit=deposit.pk))))
    credit_due_payments()
    assert answer.status == status
    assert balance(alice) == 0
    call = GatewayCall.objects.get()
    assert (call.outcome, call.is_genuine, call.problem) == ("refused", False, answer.text)


def test_call_when_old_or_by_another_secret_then_refused(method):
    method, secret = method
    arrival = arrival_of(deposit=1)
    assert send(method, secret, arrival, at=time.time() - 302).status == HTTPStatus.UNAUTHORIZED
    assert send(method, new_secret(), arrival).status == HTTPStatus.UNAUTHORIZED
    assert not Payment.objects.exists()


def test_secret_when_replaced_then_both_sign_until_the_old_one_ends(method):
    method, old = method
    new = add_secret(method=method)
    make.pending_deposit(make.customer(), method=method)
    assert send(method, old, arrival_of(deposit=1)).status == HTTPStatus.ACCEPTED
    assert send(method, new, arrival_of(deposit=1)).status == HTTPStatus.ACCEPTED
    assert end_old_secrets(method=method) == 1
    assert send(method, old, arrival_of(deposit=1)).status == HTTPStatus.UNAUTHORIZED
    assert send(method, new, arrival_of(deposit=1)).status == HTTPStatus.ACCEPTED
    assert not SigningSecret.objects.filter(secret_encrypted__contains="whsec").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"amount": "21.00"},
        {"currency": "EUR"},
        {"reference": "other"},
    ],
)
def test_call_when_it_contradicts_an_earlier_one_then_refused_and_told(method, change):
    method, secret = method
    alice = make.customer()
    deposit = make.pending_deposit(alice, method=method)
    arrival = arrival_of(reference=deposit.code)
    send(method, secret, arrival)
    answer = send(method, secret, {**arrival, **change})
    credit_due_payments()
    assert answer.status == HTTPStatus.CONFLICT
    assert balance(alice) == 20
    assert Alert.objects.filter(cause=f"payment-method:{method.pk}:conflict").exists()


def test_call_when_its_id_comes_with_another_body_then_refused_and_told(method):
    method, secret = method
    make.pending_deposit(make.customer(), method=method)
    send(method, secret, arrival_of(deposit=1), call_id="msg_a")
    assert send(method, secret, arrival_of(deposit=1), call_id="msg_a").status == HTTPStatus.CONFLICT
    assert Payment.objects.count() == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"amount": NaN}',
        b"[" * 100_000,
        b'{"payment_id": "a", "payment_id": "b", "deposit": 1, "amount": "1", "currency": "USD"}',
        *(
            json.dumps({**arrival_of(deposit=1), **wrong}).encode()
            for wrong in (
                {"amount": 20.0},
                {"amount": "1e3"},
                {"amount": "-1"},
                {"amount": "0"},
                {"amount": "0.0000001"},
                {"amount": "1" * 30},
                {"amount": "NaN"},
                {"amount": "١٠"},
                {"amount": "1,000.00"},
                {"currency": ""},
                {"currency": 7},
                {"payment_id": ""},
                {"payment_id": "a b"},
                {"payment_id": "x" * 201},
                {"deposit": True},
                {"deposit": "x"},
                {"deposit": None},
                {"reference": "a\u0000b"},
            )
        ),
    ],
)
def test_call_when_genuine_but_senseless_then_kept_with_what_is_wrong(method, body):
    method, secret = method
    make.pending_deposit(make.customer(), method=method)
    body = body[:MAX_BODY]
    assert send(method, secret, body).status == HTTPStatus.UNPROCESSABLE_ENTITY
    call = GatewayCall.objects.get()
    assert (call.outcome, call.is_genuine, bool(call.problem)) == ("refused", True, True)
    assert not Payment.objects.exists()


def test_calls_when_old_then_pruned_and_their_payments_stay(method):
    method, secret = method
    make.pending_deposit(make.customer(), method=method)
    for _ in range(2):
        send(method, secret, arrival_of(deposit=1))
    old = GatewayCall.objects.first()
    GatewayCall.objects.filter(pk=old.pk).update(received_at=timezone.now() - timedelta(days=366))
    assert prune_calls() == 1
    assert not GatewayCall.objects.filter(pk=old.pk).exists()
    assert (GatewayCall.objects.count(), Payment.objects.count()) == (1, 2)
