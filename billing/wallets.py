"""Finding wallets and reading balances. Nothing here moves money."""

from __future__ import annotations

from collections.abc import Collection

from billing import ledger
from billing.models import Wallet
from panel.accounts.models import User


def wallet_of(*, customer: User) -> Wallet:
    """The customer's wallet, made with a balance of zero at the first call."""
    return ledger.open_wallet(customer_id=customer.pk)


def wallet_id_of(*, customer_id: int) -> int:
    """The wallet of a customer who has one, as everybody has who ever ordered. Raises Wallet.DoesNotExist."""
    return Wallet.objects.values_list("pk", flat=True).get(customer_id=customer_id)


def wallet_ids_of(*, customer_ids: Collection[int]) -> dict[int, int]:
    """Return the wallets of customers who have one, by customer. One statement."""
    held = Wallet.objects.filter(customer_id__in=customer_ids)
    return dict(held.values_list("customer_id", "pk"))


def balance_of(*, customer: User) -> int:
    """Micro-units in the customer's wallet; 0 without one."""
    balance = Wallet.objects.filter(customer_id=customer.pk).values_list("balance", flat=True).first()
    return balance or 0


def spendable(*, customer: User) -> int:
    """Micro-units that the customer can spend now, the credit limit included."""
    row = Wallet.objects.filter(customer_id=customer.pk).values_list("balance", "credit_limit").first()
    return sum(row) if row else 0
