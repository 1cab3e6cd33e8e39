"""Totals of wallets: the same with and without cached blocks, as of the wallet that was read."""

from __future__ import annotations

import pytest
from django.core.cache import cache

from billing import totals
from billing.models import Entry
from billing.totals import Totals, totals_of
from tests import make
from tests.make import micros
from tests.panel.levels.conftest import post, spend

pytestmark = pytest.mark.django_db


@pytest.fixture(params=[1, 2, 3, 1_000])
def block(request, monkeypatch):
    monkeypatch.setattr(totals, "BLOCK", request.param)
    cache.clear()


@pytest.mark.usefixtures("block")
def test_totals_when_blocks_fill_up_then_the_same_as_the_books():
    alice, bob = make.customer("alice@example.org"), make.customer("bob@example.org", funds="7")
    spend(alice, "80")
    assert totals_of(customers=[alice.pk])[alice.pk].spent == micros("80")
    post(alice, micros("20"), Entry.Kind.REFUND)
    post(alice, micros("4"), Entry.Kind.BONUS)
    post(alice, -micros("1"), Entry.Kind.ADJUSTMENT)
    expected = Totals(
        balance=micros("23"),
        spent=micros("60"),
        refunded=micros("20"),
        deposited=micros("80"),
        deposits=1,
        bonus=micros("4"),
    )
    for _ in range(2):
        found = totals_of(customers=[alice.pk, bob.pk])
        assert found == {alice.pk: expected, bob.pk: Totals(micros("7"), deposited=micros("7"), deposits=1)}


def test_totals_when_blocks_are_cached_then_only_the_last_entries_are_read(monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(totals, "BLOCK", 2)
    cache.clear()
    alice = make.customer("alice@example.org")
    spend(alice, "80")
    spend(alice, "10")
    with django_assert_num_queries(2):
        totals_of(customers=[alice.pk])
    with django_assert_num_queries(1):
        totals_of(customers=[alice.pk])
    post(alice, micros("1"), Entry.Kind.BONUS)
    with django_assert_num_queries(2):
        assert totals_of(customers=[alice.pk])[alice.pk].spent == micros("90")


def test_totals_when_there_is_no_wallet_then_the_customer_is_missing():
    assert totals_of(customers=[make.customer().pk]) == {}
