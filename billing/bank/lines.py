"""Lines of bank statements: stored once each, and what is read of a file before anything is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet

from billing.bank.columns import Columns, find_table
from billing.bank.read import Incoming, Reading, read_table
from billing.bank.tables import Table, read_rows
from billing.bank.values import Order
from billing.models import BankLine, PaymentMethod
from panel.accounts.models import User
from panel.lib import clock
from panel.lib.panel_days import panel_day

# Methods whose payments staff approve by hand.
KIND = "transfer"
CHUNK = 500
# Statements of longer ago have no request that waits.
MAX_AGE = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Stored:
    """What a statement brought: how many lines are new, and those that were taken for ones that came before."""

    new: int
    known: Sequence[Incoming]


def bank_methods() -> QuerySet[PaymentMethod]:
    """Return the methods that have bank statements, in the owner's order."""
    return PaymentMethod.objects.filter(kind=KIND)


def read_statement(
    *, text: str, columns: Columns | None = None, order: Order | None = None
) -> tuple[Table, Columns | None, Reading | None]:
    """Return the table of a file, its columns and what it says. Stores nothing. Raise NotCSV.

    `columns` and `order` are what a person chose. Without columns, and if the file's own names are not known, there is
    no reading yet.
    """
    table, known = find_table(read_rows(text))
    columns = columns or known
    if columns is None:
        return table, None, None
    today = panel_day(clock.now())
    reading = read_table(
        table=table,
        columns=columns,
        currency=settings.PANEL_CURRENCY,
        today=today,
        earliest=today - MAX_AGE,
        order=order,
    )
    return table, columns, reading


def store_lines(*, method: PaymentMethod, incoming: Sequence[Incoming], actor: User) -> Stored:
    """Store the lines that are new, each once, also if the same statement is stored twice at the same time."""
    now = clock.now()
    rows = [
        BankLine(
            method=method,
            digest=one.digest(),
            day=one.day,
            amount=one.amount,
            text=one.text,
            uploaded_at=now,
            uploaded_by=actor,
        )
        for one in incoming
    ]
    for start in range(0, len(rows), CHUNK):
        BankLine.objects.bulk_create(rows[start : start + CHUNK], ignore_conflicts=True)
    stored = BankLine.objects.filter(method=method, uploaded_by=actor, uploaded_at=now)
    new = set(stored.values_list("digest", flat=True))
    return Stored(len(new), [one for one in incoming if one.digest() not in new])
