"""What stands above the tabs of a customer's page: state, figures, and the last note."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.http import HttpRequest

from billing.models import Reversal
from billing.totals import Totals, totals_of
from catalog.models import GroupMember
from panel.accounts.blocking import is_blocked
from panel.accounts.models import CustomerNote, User
from panel.lib.formats import percent_text
from panel.lib.money import format_money
from panel.ops.customers.figures import last_seen, orders_of, refund_share, spent_lately
from panel.ops.customers.rights import VIEW_GROUPS, VIEW_MONEY, VIEW_NOTES, VIEW_ORDERS, VIEW_REVERSALS
from panel.ops.customers.states import State, member_of, state_of


@dataclass(frozen=True, slots=True)
class Figure:
    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Head:
    """`why` says why the account is blocked; `reversals` are those that hold its orders."""

    state: State
    why: str
    is_held: bool
    reversals: list[Reversal]
    member: GroupMember | None
    seen_at: datetime | None
    figures: list[Figure]
    note: CustomerNote | None


def head_of(request: HttpRequest, customer: User) -> Head:
    """Return the parts that this person may see."""
    may = request.user.has_perm
    money = totals_of(customers=[customer.pk]).get(customer.pk, Totals()) if may(VIEW_MONEY) else None
    is_held = money is not None and money.is_held
    notes = CustomerNote.objects.filter(customer=customer).select_related("author")
    return Head(
        state=state_of(customer, is_held=is_held),
        why=customer.blocked_reason if is_blocked(customer) else "",
        is_held=is_held,
        reversals=_reversals(customer) if is_held and may(VIEW_REVERSALS) else [],
        member=member_of(customer) if may(VIEW_GROUPS) else None,
        seen_at=last_seen(customers=[customer]).get(customer.pk),
        figures=list(_figures(request, customer, money)),
        note=notes.first() if may(VIEW_NOTES) else None,
    )


def _figures(request: HttpRequest, customer: User, money: Totals | None) -> Iterator[Figure]:
    may = request.user.has_perm
    if money is not None:
        yield Figure("Balance", _money(money.balance))
        bonus = f", bonus {_money(money.bonus)}" if money.bonus else ""
        yield Figure("Paid in", _money(money.deposited), f"in {money.deposits:,} deposits{bonus}")
        yield Figure("Spent", _money(money.spent), f"{_money(spent_lately(customer=customer))} in 30 days")
    if may(VIEW_ORDERS):
        orders, running = (orders_of(customers=[customer.pk], is_open=is_open) for is_open in (False, True))
        yield Figure("Orders", f"{orders.get(customer.pk, 0):,}", f"{running.get(customer.pk, 0):,} open")
    if money is not None:
        share = refund_share(spent=money.spent, refunded=money.refunded)
        yield Figure(
            "Refund share", "—" if share is None else percent_text(share), f"{_money(money.refunded)} refunded"
        )


def _reversals(customer: User) -> list[Reversal]:
    return list(Reversal.objects.filter(holds_orders=True, payment__deposit__customer=customer)[:5])


def _money(micros: int) -> str:
    return format_money(micros, settings.PANEL_CURRENCY)
