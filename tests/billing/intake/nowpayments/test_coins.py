"""Choosing a coin: asked in the background, kept while it is fresh, and checked before anything is created."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from billing.intake.credentials import credentials_of, store_credentials
from billing.intake.options import MAX_AGE, offered_options, refresh_due_options
from billing.models import Deposit, PaymentMethod
from tests import make
from tests.billing.intake.nowpayments.conftest import CREDENTIALS

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client, method):
    """Open or post the form for adding funds as a customer; return what is shown."""
    client.force_login(make.customer())

    def visit(**typed):
        if not typed:
            return client.get(reverse("add_funds"), {"method": method.pk}).content.decode()
        values = {"method": method.pk, "amount": "20", "request_key": "a" * 32, **typed}
        return client.post(reverse("add_funds"), values, follow=True).content.decode()

    return visit


def codes(method):
    method.refresh_from_db()
    return [one.code for one in offered_options(method)]


def refresh(**values):
    PaymentMethod.objects.update(options_due_at=timezone.now(), **values)
    return refresh_due_options()


def test_coins_when_the_owner_names_none_then_the_usual_ones_that_are_taken(method):
    assert codes(method) == ["usdttrc20", "btc", "ltc", "xrp"]


def test_coins_when_the_owner_names_some_then_these_in_this_order(make_method):
    assert codes(make_method({**CREDENTIALS, "coins": "LTC, usdttrc20 nonsense,ltc"})) == ["ltc", "usdttrc20"]


def test_coins_when_the_gateway_is_down_then_those_from_before_for_a_while(books, method):
    books.faults["currencies:down"] = 9
    assert refresh() == 1
    assert len(codes(method)) == 4 and "503" in method.last_error
    refresh(options_at=timezone.now() - MAX_AGE)
    assert codes(method) == []


def test_coins_when_one_is_not_paid_out_then_left_out(books, method):
    del books.coins["btc"]
    refresh()
    assert codes(method) == ["usdttrc20", "ltc", "xrp"]


def test_coins_when_fresh_or_not_offered_then_not_asked(books, method):
    asked = books.calls["currencies"]
    assert refresh_due_options() == 0
    assert refresh(is_active=False) == 0
    assert books.calls["currencies"] == asked


def test_coins_when_the_credentials_change_then_asked_again(books, method):
    store_credentials(method=method, values={"coins": "btc"})
    assert refresh_due_options() == 1
    assert codes(method) == ["btc"]


def test_coins_when_credentials_change_during_the_refresh_then_due_again(method, monkeypatch):
    def change(*, method):
        store_credentials(method=method, values={"coins": "btc"})

    monkeypatch.setattr("billing.intake.options.note_reached", change)
    refresh()
    method.refresh_from_db()
    assert method.options_due_at <= timezone.now()


def test_form_when_shown_then_each_coin_with_network_and_least_amount(page):
    shown = page()
    assert "USDT, TRON (TRC-20), $5.15 or more" in shown and "XRP, XRP Ledger, $1.03 or more" in shown


def test_form_when_a_coin_is_chosen_then_stored_before_the_gateway_hears_of_it(page, books):
    books.faults["create:dropped"] = 1
    page(option="ltc")
    assert Deposit.objects.get().option == "ltc"
    assert Deposit.objects.get().invoice.state == "lost"


def test_form_when_below_the_coins_least_amount_then_an_error_and_nothing_created(page, books):
    shown = page(option="btc", amount="12")
    assert "BTC on Bitcoin takes $12.72 or more at once." in shown
    assert not Deposit.objects.exists() and not books.calls["create"]


@pytest.mark.parametrize(("option", "words"), [("", "Choose the coin to pay in."), ("doge", "not taken at the moment")])
def test_form_when_no_coin_that_is_taken_then_an_error_and_nothing_created(page, option, words):
    assert words in page(option=option)
    assert not Deposit.objects.exists()


def test_form_when_the_gateway_does_not_say_its_coins_then_says_what_to_do(page, books):
    PaymentMethod.objects.update(options_at=timezone.now() - MAX_AGE - timedelta(minutes=1))
    asked = books.calls.total()
    assert "Choose another way to pay, or come back in a few minutes." in page()
    assert "Choose another way to pay, or come back in a few minutes." in page(option="ltc")
    assert not Deposit.objects.exists() and books.calls.total() == asked


def test_form_when_sent_twice_with_another_coin_then_asked_and_nothing_new(page):
    page(option="ltc")
    assert "This form was sent already" in page(option="xrp")
    assert Deposit.objects.get().option == "ltc"


def test_form_when_the_gateway_refuses_then_told_and_nothing_lost(page, books):
    books.faults["create:refused"] = 1
    assert "does not work at the moment" in page(option="ltc")
    assert "less than minimal" in Deposit.objects.get().invoice.last_error


def test_page_when_created_then_shows_where_to_pay(page):
    shown = page(option="xrp")
    for words in ("address-of-", "XRP Ledger", "1234567", "0.25"):
        assert words in shown


def test_set_up_when_a_plain_field_is_emptied_then_gone_and_secrets_stay(client, method):
    client.force_login(make.owner())
    address = reverse("admin:billing_paymentmethod_gateway", args=[method.pk])
    client.post(address, {"coins": "ltc", "pegged": "usdt*"})
    method.refresh_from_db()
    assert credentials_of(method) == {**CREDENTIALS, "coins": "ltc", "pegged": "usdt*"}
    client.post(address, {"coins": "", "pegged": ""})
    method.refresh_from_db()
    assert credentials_of(method) == {"key": CREDENTIALS["key"], "ipn_secret": CREDENTIALS["ipn_secret"]}


def test_set_up_when_the_ipn_secret_is_missing_then_it_works_and_says_so(client, make_method):
    method = make_method({"key": CREDENTIALS["key"]})
    client.force_login(make.owner())
    address = reverse("admin:billing_paymentmethod_gateway", args=[method.pk])
    shown = client.post(address, {"do": "test"}, follow=True).content.decode()
    assert "Without an IPN secret they send no calls" in shown and "It answered to these credentials." in shown
