"""Wallets, their entries, and how money gets into them."""

from billing.models.bank import BankLine
from billing.models.coupons import Coupon, Redemption
from billing.models.deposits import Deposit, PaymentMethod
from billing.models.intake import GatewayCall, Payment, PaymentCredit, SigningSecret
from billing.models.invoices import Invoice, Reversal
from billing.models.reconciliation import ComparedDay
from billing.models.wallets import Entry, OrderHold, Wallet

__all__ = (
    "BankLine",
    "ComparedDay",
    "Coupon",
    "Deposit",
    "Entry",
    "GatewayCall",
    "Invoice",
    "OrderHold",
    "Payment",
    "PaymentCredit",
    "PaymentMethod",
    "Redemption",
    "Reversal",
    "SigningSecret",
    "Wallet",
)
