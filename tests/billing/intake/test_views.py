"""The address of signed calls, as a sender on the network meets it."""

from __future__ import annotations

import json

import pytest
from django.test import Client
from django.urls import reverse

from billing.intake import views
from billing.intake.calls import MAX_BODY, MAX_STRANGERS_BODY
from billing.models import GatewayCall, Payment
from tests import make
from tests.billing.intake.calls import arrival_of, signed, signed_method

pytestmark = pytest.mark.django_db


@pytest.fixture
def method():
    return signed_method()


def post(method, call):
    """Send a call through a client that checks CSRF tokens, as browsers and programs meet the panel."""
    headers = {name: value for name, value in call.headers.items() if name != "content-type"}
    address = reverse("signed_call", args=[method.pk])
    return Client(enforce_csrf_checks=True).post(
        address, data=call.body, content_type="application/json", headers=headers
    )


def test_address_when_called_then_answers_and_keeps_no_more_headers_than_it_needs(method):
    method, secret = method
    make.pending_deposit(make.customer(), method=method)
    call = signed(secret, arrival_of(deposit=1))
    call.headers["cookie"] = call.headers["authorization"] = "secret"
    response = post(method, call)
    assert (response.status_code, response.json()["ok"]) == (202, True)
    assert response["Cache-Control"].startswith("max-age=0")
    kept = GatewayCall.objects.get()
    assert "secret" not in json.dumps(kept.headers)
    assert kept.address == "127.0.0.1"


@pytest.mark.parametrize("size", [MAX_BODY + 1, 3_000_000])
def test_address_when_the_body_is_too_large_then_not_read_to_its_end(method, size):
    method, secret = method
    response = post(method, signed(secret, b"x" * size))
    assert response.status_code == 413
    kept = GatewayCall.objects.get()
    assert (len(bytes(kept.body)), kept.size, Payment.objects.count()) == (MAX_STRANGERS_BODY, size, 0)


def test_address_when_of_another_kind_of_method_or_read_then_not_there(method):
    by_hand = make.payment_method()
    assert post(by_hand, signed(method[1], b"{}")).status_code == 404
    assert Client().get(reverse("signed_call", args=[method[0].pk])).status_code == 405


def test_address_when_called_too_often_then_told_when_to_come_back(method, monkeypatch):
    monkeypatch.setattr(views, "MAX_CALLS", 2)
    answers = [post(method[0], signed(method[1], b"{}")) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [422, 422, 429]
    assert int(answers[-1]["Retry-After"]) > 0
    assert GatewayCall.objects.count() == 2


def test_address_when_it_answers_then_in_few_statements(method, django_assert_max_num_queries):
    method, secret = method
    make.pending_deposit(make.customer(), method=method)
    call = signed(secret, arrival_of(deposit=1))
    with django_assert_max_num_queries(8):
        post(method, call)
