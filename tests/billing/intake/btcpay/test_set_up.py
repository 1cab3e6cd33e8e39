"""The credentials of BTCPay Server: addresses that are taken, and a key that can receive and not send."""

from __future__ import annotations

import pytest

from billing.intake.doors.btcpay import BTCPay
from billing.intake.gateways import GatewayError, GatewayRefused
from tests.gateway import greenfield

door = BTCPay()


def test_check_when_all_is_right_then_names_the_store(world, books):
    assert f"the store {greenfield.STORE}." in door.check(world.credentials)
    books.rights.append(f"btcpay.store.canviewstoresettings:{greenfield.STORE}")
    assert "the store Corner shop." in door.check(world.credentials)


@pytest.mark.parametrize("missing", greenfield.RIGHTS)
def test_check_when_the_key_lacks_a_permission_then_names_it(world, books, missing):
    books.rights.remove(missing)
    books.rights.append(missing.replace(greenfield.STORE, "OfAnotherStore"))
    with pytest.raises(GatewayRefused, match=missing.partition(":")[0]):
        door.check(world.credentials)


def test_check_when_the_key_could_send_money_then_says_so(world, books):
    books.rights.append("btcpay.store.canmanagepayouts")
    assert "It can do much more (btcpay.store.canmanagepayouts)" in door.check(world.credentials)


def test_host_when_private_and_not_named_then_refused_unasked(settings, world, books):
    settings.PAYMENT_PRIVATE_HOSTS = frozenset({"127.0.0.1:1", "127.0.0.1", "localhost"})
    with pytest.raises(GatewayError, match="only https"):
        door.check(world.credentials)
    https = world.credentials["host"].replace("http:", "https:")
    with pytest.raises(GatewayError, match=r"127\.0\.0\.1 is not public"):
        door.check({**world.credentials, "host": https})
    assert not books.calls


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("https://Pay.Example.com/btcpay/", "https://pay.example.com/btcpay"),
        (" https://pay.example.com:8443 ", "https://pay.example.com:8443"),
        ("http://btcpay.lan", "http://btcpay.lan"),
        ("https://10.0.0.5:23000", "https://10.0.0.5:23000"),
        ("https://[2606:4700::1111]/", "https://[2606:4700::1111]"),
        *(
            (wrong, None)
            for wrong in (
                *("", "pay.example.com", "ftp://pay.example.com", "https://", "http://pay.example.com"),
                *(
                    "https://10.0.0.5",
                    "https://127.0.0.1",
                    "https://localhost",
                    "http://btcpay.lan:9000",
                    "https://[::1]",
                ),
                *("https://a@pay.example.com", "https://pay.example.com/?a", "https://pay.example.com/#a"),
                *("https://pay.example.com;script-src", "https://pay example.com", "https://pây.example.com"),
                *("https://pay.example.com/a b", "https://pay.example.com:port", "https://pay.example.com,x.example"),
                *("https://[::1", "javascript:alert(1)", "https://pay.example.com\nX: y"),
            )
        ),
    ],
)
def test_host_when_typed_then_cleaned_or_refused_in_words(settings, typed, stored):
    settings.UPSTREAM_ALLOW_PRIVATE = False
    settings.PAYMENT_PRIVATE_HOSTS = frozenset({"btcpay.lan", "10.0.0.5:23000"})
    clean = next(one.clean for one in BTCPay.credentials if one.name == "host")
    if stored is not None:
        assert clean(typed) == stored
    else:
        with pytest.raises(ValueError, match=r"\w{4}"):
            clean(typed)


def test_origins_when_host_and_site_differ_then_that_of_customers():
    assert door.origins_for({"host": "http://btcpay.lan", "site": "https://pay.example.com/btcpay"}) == (
        greenfield.SITE,
    )
    assert door.origins_for({"host": "https://pay.example.com:8443/x"}) == ("https://pay.example.com:8443",)
    assert door.origins_for({"host": "http://btcpay.lan"}) == door.origins_for({}) == ()
