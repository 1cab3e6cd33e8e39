"""NOWPayments (docs/payments/nowpayments.md)."""

from billing.intake.doors.nowpayments.door import NowPayments
from billing.intake.gateways import register

register(NowPayments())
