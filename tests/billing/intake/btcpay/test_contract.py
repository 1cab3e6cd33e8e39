"""BTCPay Server keeps the contract of doors."""

from __future__ import annotations

from billing.intake.doors.btcpay import BTCPay
from tests.gateway.contract import DoorContract


class TestBTCPay(DoorContract):
    door = BTCPay()
