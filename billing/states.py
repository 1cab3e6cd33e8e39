"""Meaning (a colour) and icon of each state of a deposit, the same on every page."""

from __future__ import annotations

from billing.models import Deposit

DEPOSIT_BADGES: dict[str, tuple[str, str]] = {
    Deposit.State.PENDING: ("info", "hourglass-split"),
    Deposit.State.APPROVED: ("success", "check-circle"),
    Deposit.State.REFUSED: ("danger", "x-circle"),
    Deposit.State.CANCELED: ("neutral", "dash-circle"),
}
