"""Billing in the admin: wallets and their entries, deposits, and payment methods."""

from billing.admin.bank import BankLineAdmin
from billing.admin.coupons import CouponAdmin
from billing.admin.deposits import DepositAdmin
from billing.admin.invoices import InvoiceAdmin, ReversalAdmin
from billing.admin.methods import PaymentMethodAdmin
from billing.admin.payments import GatewayCallAdmin, PaymentAdmin
from billing.admin.reconciliation import ComparedDayAdmin
from billing.admin.wallets import EntryAdmin, WalletAdmin

__all__ = (
    "BankLineAdmin",
    "ComparedDayAdmin",
    "CouponAdmin",
    "DepositAdmin",
    "EntryAdmin",
    "GatewayCallAdmin",
    "InvoiceAdmin",
    "PaymentAdmin",
    "PaymentMethodAdmin",
    "ReversalAdmin",
    "WalletAdmin",
)
