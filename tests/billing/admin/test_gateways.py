"""The credentials of a gateway in the admin: kept secret, replaced one by one, and told to all owners."""

from __future__ import annotations

import pytest
from django.urls import reverse

from billing.intake.credentials import credentials_of
from billing.models import PaymentMethod
from panel.alerts.models import Alert
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client, gateway):
    """Open or post the set-up of a method of the fake gateway."""
    client.force_login(make.owner())
    method = make.payment_method(kind="fake", name="Fake")
    address = reverse("admin:billing_paymentmethod_gateway", args=[method.pk])

    def visit(**typed):
        return (client.post(address, typed, follow=True) if typed else client.get(address)).content.decode()

    visit.typed = {"address": f"http://127.0.0.1:{gateway.server_address[1]}", "secret": "hush-hush"}
    return visit


def stored():
    return credentials_of(PaymentMethod.objects.get(name="Fake"))


def test_credentials_when_stored_then_never_shown_and_told(page):
    page(**page.typed)
    assert stored() == page.typed
    assert "hush-hush" not in page()
    assert Alert.objects.filter(cause__startswith="payment-method:").exists()


def test_credentials_when_one_is_left_empty_then_the_stored_one_stays(page):
    page(**page.typed)
    page(address="http://127.0.0.1:1", secret="")
    assert stored() == {"address": "http://127.0.0.1:1", "secret": "hush-hush"}


def test_credentials_when_their_key_is_lost_then_all_are_written_again(page):
    page(**page.typed)
    PaymentMethod.objects.update(credentials_encrypted="gAAAAAgarbage")
    page(**page.typed)
    assert stored() == page.typed


def test_connection_when_tested_then_says_whether_it_answers(page, gateway):
    page(**page.typed)
    assert "It answers." in page(do="test")
    page(address="http://127.0.0.1:1", secret="")
    assert "It does not work" in page(do="test")
