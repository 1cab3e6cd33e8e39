"""How the states of a deposit look: meaning (a colour) and icon. Beside them, so that every page says the same."""

from __future__ import annotations

from billing.models import Deposit

LOOKS: dict[str, tuple[str, str]] = {
    Deposit.State.PENDING: ("info", "hourglass-split"),
    Deposit.State.APPROVED: ("success", "check-circle"),
    Deposit.State.REFUSED: ("danger", "x-circle"),
    Deposit.State.CANCELED: ("neutral", "dash-circle"),
}
