"""The history of wallets that have none: as if each entry had been posted at its moment."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from billing import ledger
from billing.ledger import PastLine
from billing.models import Entry, Wallet
from panel.ops.invariants import find_breaches
from tests import make

pytestmark = [pytest.mark.core, pytest.mark.django_db(transaction=True)]


def at(hours: int) -> datetime:
    return timezone.now() - timedelta(hours=hours)


def line(wallet: Wallet, amount: int, hours: int, **values: Any) -> PastLine:
    """Return a line of so many hours ago. Its kind needs no order."""
    return PastLine(
        wallet_id=wallet.pk,
        amount=amount,
        kind=Entry.Kind.ADJUSTMENT,
        key=f"{wallet.pk}:{hours}",
        created_at=at(hours),
        **values,
    )


@pytest.fixture
def wallets() -> list[Wallet]:
    """Two wallets without an entry."""
    names = ("alice@example.org", "bob@example.org")
    return [ledger.open_wallet(customer_id=make.customer(name).pk) for name in names]


def test_past_when_posted_then_chained_by_wallet_and_numbered_by_time(wallets: list[Wallet]) -> None:
    alice, bob = wallets
    ledger.post_past(lines=[line(alice, 70, 9), line(bob, 20, 8), line(alice, -30, 7), line(alice, 5, 6)])
    held = list(Entry.objects.order_by("pk").values_list("wallet_id", "seq", "amount", "balance_after"))
    assert held == [(alice.pk, 1, 70, 70), (bob.pk, 1, 20, 20), (alice.pk, 2, -30, 40), (alice.pk, 3, 5, 45)]
    moments = list(Entry.objects.order_by("pk").values_list("created_at", flat=True))
    assert moments == sorted(moments) and moments[-1] < at(5)
    assert list(Wallet.objects.order_by("pk").values_list("balance", "entry_count")) == [(45, 3), (20, 1)]
    assert find_breaches() == []
    ledger.post(wallet_id=alice.pk, amount=-45, kind=Entry.Kind.ADJUSTMENT, key="next")
    assert find_breaches() == []


def test_past_when_a_wallet_has_an_entry_then_nothing_is_posted(wallets: list[Wallet]) -> None:
    alice, bob = wallets
    ledger.post(wallet_id=bob.pk, amount=1, kind=Entry.Kind.ADJUSTMENT, key="first")
    with pytest.raises(ledger.InvalidPosting):
        ledger.post_past(lines=[line(alice, 70, 9), line(bob, 20, 8)])
    assert Entry.objects.count() == 1
    assert find_breaches() == []


def test_past_when_it_would_be_overdrawn_on_the_way_then_nothing_is_posted(wallets: list[Wallet]) -> None:
    alice = wallets[0]
    with pytest.raises(ledger.InsufficientFunds) as refused:
        ledger.post_past(lines=[line(alice, 10, 9), line(alice, -30, 8), line(alice, 50, 7)])
    assert (refused.value.needed, refused.value.available) == (30, 10)
    assert not Entry.objects.exists()


def test_past_when_within_the_credit_limit_then_posted(wallets: list[Wallet]) -> None:
    alice = wallets[0]
    Wallet.objects.filter(pk=alice.pk).update(credit_limit=20)
    ledger.post_past(lines=[line(alice, 10, 9), line(alice, -30, 8)])
    assert Wallet.objects.get(pk=alice.pk).balance == -20


def test_past_when_not_in_sequence_then_nothing_is_posted(wallets: list[Wallet]) -> None:
    alice = wallets[0]
    with pytest.raises(ledger.InvalidPosting):
        ledger.post_past(lines=[line(alice, 10, 8), line(alice, 20, 9)])
    assert not Entry.objects.exists()
