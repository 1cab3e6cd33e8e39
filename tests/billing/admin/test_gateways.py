"""The set-up of a gateway in the admin: steps that facts complete, and credentials that nobody reads again."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from billing.admin.gateway_steps import set_up_steps
from billing.intake import gateways
from billing.intake.credentials import credentials_of, note_failed, note_reached, store_credentials
from billing.intake.http import ask
from billing.intake.invoices import open_invoice
from billing.intake.sync import sync_invoice
from billing.models import Entry, Payment, PaymentMethod
from panel.alerts.models import Alert
from tests import make
from tests.gateway import doors, server

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client, gateway):
    """Open or post the set-up of a method of the fake gateway."""
    client.force_login(make.owner())
    method = make.payment_method(kind="fake", name="Fake")
    address = reverse("admin:billing_paymentmethod_gateway", args=[method.pk])

    def visit(**typed):
        return (client.post(address, typed, follow=True) if typed else client.get(address)).content.decode()

    visit.typed = {"address": gateway.address, "secret": "hush-hush"}
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


# -- the list of steps -------------------------------------------------------------------------------------


def standings(method):
    """Return how each step stands, by its name."""
    method.refresh_from_db()
    gateway = gateways.gateway_of(method.kind)
    return {step.name: step for step in set_up_steps(method=method, gateway=gateway, stored=credentials_of(method))}


def words_of(method):
    return {name: step.standing.word for name, step in standings(method).items()}


@pytest.fixture
def public(settings):
    settings.SITE_URL = "https://panel.example.com"


def post_call(method, books, **extra):
    body, headers = books.message("nothing", **extra)
    address = reverse("gateway_call", args=[method.kind, method.pk])
    return Client().post(address, data=body, content_type="application/json", headers=headers)


def test_steps_when_nothing_is_done_then_all_to_do(gateway, public):
    method = make.payment_method(kind="fake", name="Fake", is_active=False)
    assert set(words_of(method).values()) == {"To do"}
    assert "Missing: Address, Secret of its calls." in standings(method)["credentials"].words


def test_connection_when_tested_then_done_until_other_credentials(page, public, gateway):
    page(**page.typed)
    method = PaymentMethod.objects.get()
    assert (words_of(method)["credentials"], words_of(method)["connection"]) == ("Done", "To do")
    page(do="test")
    assert words_of(method)["connection"] == "Done"
    page(address="http://127.0.0.1:1", secret="")
    assert words_of(method)["connection"] == "To do"
    page(do="test")
    step = standings(method)["connection"]
    assert (step.standing.word, step.words[:21]) == ("Does not work", "It failed: No answer:")


def test_connection_when_answered_to_older_credentials_then_not_noted(method_of):
    before = method_of()
    store_credentials(method=PaymentMethod.objects.get(), values={"secret": "another"})
    note_failed(method=before, error="wrong secret")
    note_reached(method=before)
    assert words_of(before)["connection"] == "To do"


def test_calls_when_a_test_call_comes_then_done_and_nothing_credited(public, books, method_of):
    method = method_of()
    assert words_of(method)["calls"] == "To do"
    assert post_call(method, books, test=True).status_code == 200
    assert words_of(method)["calls"] == "Done"
    assert not Payment.objects.exists() and not Entry.objects.exists()


def test_calls_when_the_last_was_refused_then_said_with_its_reason(public, books, method_of):
    method = method_of()
    post_call(method, books, at=1)
    step = standings(method)["calls"]
    assert step.standing.word == "Does not work" and "clock" in step.words
    post_call(method, books, test=True)
    assert words_of(method)["calls"] == "Done"
    post_call(method, books, at=1)
    assert words_of(method)["calls"] == "Look at it"


@pytest.mark.parametrize("site", ["http://panel.example.com", "https://localhost", "https://10.0.0.5"])
def test_calls_when_no_gateway_can_reach_the_panel_then_warned(settings, books, page, site):
    settings.SITE_URL = site
    page(**page.typed | {"secret": server.SECRET})
    method = PaymentMethod.objects.get()
    assert f"SITE_URL is {site}" in standings(method)["calls"].words
    assert post_call(method, books, test=True).status_code == 200
    assert words_of(method)["calls"] == "Done"
    assert f"SITE_URL is {site}" in page()


def test_steps_when_a_payment_was_credited_then_all_done(page, public, books, gateway):
    page(**page.typed | {"secret": server.SECRET})
    page(do="test")
    method = PaymentMethod.objects.get()
    invoice = open_invoice(deposit=make.pending_deposit(make.customer(), "20", method=method))
    books.pay(invoice.our_ref, "20")
    assert "not credited" not in standings(method)["payment"].words
    post_call(method, books, test=True)
    sync_invoice(invoice_id=invoice.pk)
    assert set(words_of(method).values()) == {"Done"}
    assert "It is set up" in page()


def test_steps_when_a_sandbox_is_offered_then_said_loudly(page, public, gateway):
    page(**page.typed)
    PaymentMethod.objects.update(is_sandbox=True)
    method = PaymentMethod.objects.get()
    assert (words_of(method)["payment"], words_of(method)["offer"]) == ("To do", "Look at it")
    assert "nothing that comes in is ever credited" in page()


def test_test_call_when_the_gateway_sends_them_then_asked_for_with_our_address(page, public, monkeypatch, gateway):
    asked = []

    def send_test(self, callback_url, credentials):
        asked.append(callback_url)
        ask("GET", f"{credentials['address']}/ref/none")
        return "A test call is on its way."

    page(**page.typed)
    assert "Send a test call" not in page()
    assert "sends no test calls" in page(do="send_test")
    monkeypatch.setattr(doors.Fake, "sends_tests", True)
    monkeypatch.setattr(doors.Fake, "send_test", send_test)
    assert "Send a test call" in page()
    for _ in range(2):
        assert "A test call is on its way." in page(do="send_test")
    assert asked == [f"https://panel.example.com/wallet/pay/gateway/fake/{PaymentMethod.objects.get().pk}/"] * 2
    page(address="http://127.0.0.1:1", secret="")
    assert "No test call was sent" in page(do="send_test")


def test_buttons_when_they_ask_the_gateway_then_outside_of_any_transaction(page, monkeypatch, gateway):
    depths = []

    def check(self, credentials):
        depths.append(len(connection.savepoint_ids))
        return "It answers."

    page(**page.typed)
    depth = len(connection.savepoint_ids)
    monkeypatch.setattr(doors.Fake, "check", check)
    page(do="test")
    assert depths == [depth]


# -- fields of a door --------------------------------------------------------------------------------------


@pytest.fixture
def btcpay_page(client):
    client.force_login(make.owner())
    method = make.payment_method(kind="btcpay", name="Coins")
    address = reverse("admin:billing_paymentmethod_gateway", args=[method.pk])

    def visit(**changed):
        typed = {"host": "https://pay.example.com/", "store": "HPPH", "key": "k" * 20, "secret": "s" * 20} | changed
        return client.post(address, typed, follow=True).content.decode(), credentials_of(PaymentMethod.objects.get())

    return visit


def test_field_when_stored_then_as_the_door_cleans_it(btcpay_page):
    _, stored = btcpay_page(site="https://Shop.example.com/")
    assert (stored["host"], stored["site"]) == ("https://pay.example.com", "https://shop.example.com")
    _, stored = btcpay_page(site="", key="", secret="")
    assert stored == {"host": "https://pay.example.com", "store": "HPPH", "key": "k" * 20, "secret": "s" * 20}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"secret": ""}, "This field is required"),
        ({"secret": "   "}, "This field is required"),
        ({"secret": "short"}, "at least 16 characters"),
        ({"host": "ftp://pay.example.com"}, "Begin with https://"),
        ({"site": "http://10.0.0.5"}, "must begin with https://"),
        ({"store": "HPPH/../x"}, "letters and digits only"),
    ],
)
def test_field_when_wrong_then_told_in_words_and_nothing_stored(settings, btcpay_page, changed, words):
    settings.UPSTREAM_ALLOW_PRIVATE = False
    shown, stored = btcpay_page(**changed)
    assert words in shown and stored == {}
