"""Held payments, gateway calls and secrets in the admin."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from billing.intake.crediting import credit_due_payments
from billing.intake.proposals import proposals_for
from billing.models import GatewayCall, Payment, SigningSecret
from billing.wallets import balance_of
from panel.accounts.roles import set_up_roles
from panel.lib.money import MICRO
from panel.lib.signatures import new_secret
from panel.staff.kinds import Reason
from tests import make
from tests.billing.intake.calls import arrival_of, send, signed_method

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice():
    return make.customer()


@pytest.fixture
def manager(client):
    set_up_roles()
    user = make.staff_member("Manager")
    client.force_login(user)
    return user


@pytest.fixture
def owner(client):
    user = make.owner()
    client.force_login(user)
    return user


@pytest.fixture
def held(alice):
    """A held payment of $20, and the requests of $20 and $100 that wait."""
    method, secret = signed_method(bonus_bp=1_000)
    requests = [make.pending_deposit(alice, amount, method=method) for amount in ("20", "100")]
    send(method, secret, arrival_of(reference="from Alice"))
    credit_due_payments()
    return Payment.objects.get(), requests


# The state and the figure that the form was opened with.
SEEN = f"held:{20 * MICRO}"


def page(name, pk):
    return reverse(f"admin:billing_{name}", args=[pk])


def test_proposals_when_several_requests_wait_then_that_of_the_amount_first(held):
    payment, (same, other) = held
    assert proposals_for(payment=payment) == [same, other]


def test_payment_when_credited_to_a_proposal_then_in_the_wallet_once(client, manager, held, alice):
    payment, (same, _) = held
    form = {
        "proposal": same.pk,
        "other": "",
        "why": Reason.OTHER,
        "why_note": "By the name.",
        "seen": SEEN,
    }
    for _ in range(2):
        client.post(page("payment_credit", payment.pk), form)
    assert balance_of(customer=alice) == 22 * MICRO
    assert "Credited" in client.get(page("payment_change", payment.pk)).content.decode()


@pytest.mark.parametrize(("other", "words"), [("999999", "no request with this number"), ("", "which request")])
def test_payment_when_credited_to_no_request_then_refused_at_the_field(client, manager, held, other, words):
    payment, _ = held
    response = client.post(page("payment_credit", payment.pk), {"proposal": "", "other": other, "seen": SEEN})
    assert words in response.content.decode()
    assert Payment.objects.get().state == "held"


def test_payment_when_dismissed_then_the_note_is_kept(client, manager, held):
    payment, _ = held
    client.post(page("payment_dismiss", payment.pk), {"note": "A refund of ours.", "seen": SEEN})
    payment.refresh_from_db()
    assert (payment.state, payment.note, payment.decided_by) == ("dismissed", "A refund of ours.", manager)


def test_call_when_its_bytes_are_hostile_then_shown_escaped(client, manager, held):
    method = Payment.objects.get().method
    send(method, new_secret(), b"<script>alert(1)</script>\xff")
    shown = client.get(page("gatewaycall_change", GatewayCall.objects.first().pk)).content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\xff" in shown


def test_secret_when_made_then_shown_once_and_a_double_click_makes_no_second(client, owner):
    method = make.payment_method(kind="signed")
    address = page("paymentmethod_signed_calls", method.pk)
    seen = client.get(address).context["seen"]
    made = [client.post(address, {"seen": seen, "do": "make"}).content.decode() for _ in range(2)]
    [secret] = re.findall(r"whsec_[\w+/=]+", made[0])
    assert "whsec_" not in made[1] + client.get(address).content.decode()
    assert SigningSecret.objects.count() == 1
    assert send(method, secret, arrival_of(deposit=1)).status == 202


def test_secrets_when_the_method_is_by_hand_then_no_page(client, owner):
    assert client.get(page("paymentmethod_signed_calls", make.payment_method().pk)).status_code == 404
