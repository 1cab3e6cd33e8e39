"""Finds wallets and reads balances. Nothing here moves money."""

from __future__ import annotations

from collections.abc import Collection

from billing import ledger
from billing.models import Wallet
from panel.accounts.models import User


def wallet_of(*, customer: User) -> Wallet:
    """Return the customer's wallet; create an empty one at the first call."""
    return ledger.open_wallet(customer_id=customer.pk)


def wallet_id_of(*, customer_id: int) -> int:
    """Return the id of the customer's wallet. Raise Wallet.DoesNotExist; everybody who ever ordered has one."""
    return Wallet.objects.values_list("pk", flat=True).get(customer_id=customer_id)


def lock_wallet(*, customer_id: int) -> None:
    """Lock the customer's wallet until the commit, so that his requests run one after another."""
    Wallet.objects.select_for_update(no_key=True).values_list("pk").get(customer_id=customer_id)


def wallet_ids_of(*, customer_ids: Collection[int]) -> dict[int, int]:
    """Return the wallets' ids by customer, without customers who have none. One statement."""
    held = Wallet.objects.filter(customer_id__in=customer_ids)
    return dict(held.values_list("customer_id", "pk"))


def balance_of(*, customer: User) -> int:
    """Return the customer's balance in micro-units; 0 without a wallet."""
    balance = Wallet.objects.filter(customer_id=customer.pk).values_list("balance", flat=True).first()
    return balance or 0


def spendable(*, customer: User) -> int:
    """Return the micro-units that the customer can spend now: balance and credit limit."""
    row = Wallet.objects.filter(customer_id=customer.pk).values_list("balance", "credit_limit").first()
    return sum(row) if row else 0
