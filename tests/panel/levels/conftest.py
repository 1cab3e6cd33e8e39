"""Levels, and customers who spent something."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from billing import ledger
from billing.ledger import PastLine
from billing.models import Entry
from billing.wallets import wallet_of
from catalog.models import CustomerGroup, GroupMember
from panel.accounts.models import User
from panel.site import stored
from panel.site.models import StoredSetting
from tests import make
from tests.make import micros


@pytest.fixture
def levels(db: None) -> dict[str, CustomerGroup]:
    """Bronze from $100 gives 1%, Silver from $500 3%, Gold from $2,000 5%; “Friends” with 20% is no level."""
    rows = (("Bronze", 100, "100"), ("Silver", 300, "500"), ("Gold", 500, "2000"), ("Friends", 2_000, None))
    return {
        name: CustomerGroup.objects.create(name=name, discount_bp=discount, level_from=amount and micros(amount))
        for name, discount, amount in rows
    }


def spend(customer: User, amount: str) -> None:
    """Deposit an amount and spend it on something that has ended."""
    make.deposit(customer, amount)
    post(customer, -micros(amount), Entry.Kind.ORDER)


def post(customer: User, amount: int, kind: str) -> None:
    ledger.post(wallet_id=wallet_of(customer=customer).pk, amount=amount, kind=kind, key=f"test:{uuid4().hex}")


def spent_past(customer: User, *rows: tuple[int, str]) -> None:
    """Spend amounts so many days ago, the oldest first; negative ones are refunds."""
    wallet_id = wallet_of(customer=customer).pk
    now = timezone.now()
    lines = [PastLine(wallet_id, micros("10000"), "deposit", "in", created_at=now - timedelta(days=999))]
    for days, amount in rows:
        kind = "refund" if amount.startswith("-") else "order"
        lines.append(PastLine(wallet_id, -micros(amount), kind, uuid4().hex, created_at=now - timedelta(days=days)))
    ledger.post_past(lines=lines)


def set_terms(*, period_days: int = 0, moves_down: bool = False) -> None:
    for name, text in (("LEVELS_PERIOD_DAYS", str(period_days)), ("LEVELS_MOVE_DOWN", str(moves_down).lower())):
        StoredSetting.objects.update_or_create(name=name, defaults={"value": text})
    stored.forget()


def placed(customer: User) -> tuple[str, str] | None:
    """Return the customer's group and who placed them."""
    rows: Any = GroupMember.objects.filter(customer=customer).values_list("group__name", "placed_by")
    return rows.first()


def put(customer: User, group: CustomerGroup, by: str = "person") -> GroupMember:
    return GroupMember.objects.create(customer=customer, group=group, placed_by=by)
