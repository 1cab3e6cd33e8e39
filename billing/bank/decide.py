"""Decide about lines of bank statements: approve the request that a line is for, or say that it is for none.

In one transaction the line and its deposit are decided: whoever is second finds either decided, and nothing moves. The
line is locked before the wallet and the deposit.
"""

from __future__ import annotations

from django.db import IntegrityError, transaction

from billing.deposits import approve_deposit
from billing.models import BankLine, Deposit
from panel.accounts.models import User
from panel.lib import clock
from panel.staff.deeds import UNSTATED, Why

State = BankLine.State
MAX_NOTE = 300


class LineRefused(Exception):
    """The line and its request are unchanged. The message is for staff."""


def approve_line(*, line_id: int, deposit_id: int, actor: User, note: str = "", why: Why = UNSTATED) -> Deposit:
    """Approve the deposit with the amount that the line says came in, once. `note` is for the customer.

    Raise LineRefused if the line was decided, or the deposit came by another line; and whatever `approve_deposit`
    raises: AlreadyDecided, DecisionRefused, AboveLimit, OwnAccount.
    """
    with transaction.atomic():
        amount = BankLine.objects.values_list("amount", flat=True).get(pk=line_id)
        try:
            with transaction.atomic():
                moved = BankLine.objects.filter(pk=line_id, state=State.WAITING).update(
                    state=State.APPROVED, deposit=deposit_id, decided_at=clock.now(), decided_by=actor
                )
        except IntegrityError:
            raise LineRefused(f"Request {deposit_id} was approved with another line of a statement.") from None
        if not moved:
            raise LineRefused("Somebody decided about this line meanwhile.")
        return approve_deposit(deposit_id=deposit_id, credited=amount, actor=actor, note=note, why=why)


def dismiss_line(*, line_id: int, actor: User, note: str) -> None:
    """Say that the line is for no request, and why. Raise LineRefused."""
    moved = BankLine.objects.filter(pk=line_id, state=State.WAITING).update(
        state=State.DISMISSED, note=note[:MAX_NOTE], decided_at=clock.now(), decided_by=actor
    )
    if not moved:
        raise LineRefused("Somebody decided about this line meanwhile.")


def reopen_line(*, line_id: int) -> None:
    """Let a line that was dismissed wait again. Raise LineRefused."""
    moved = BankLine.objects.filter(pk=line_id, state=State.DISMISSED).update(
        state=State.WAITING, note="", decided_at=None, decided_by=None
    )
    if not moved:
        raise LineRefused("It waits already, or it was approved.")
