"""Wallets, their entries, and how money gets into them."""

from billing.models.deposits import Deposit, PaymentMethod
from billing.models.intake import GatewayCall, Payment, PaymentCredit, SigningSecret
from billing.models.wallets import Entry, Wallet

__all__ = ("Deposit", "Entry", "GatewayCall", "Payment", "PaymentCredit", "PaymentMethod", "SigningSecret", "Wallet")
