"""Writes customers' money: what they paid in, so that no order was ever beyond their balance, and all entries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from billing import ledger
from billing.models import Deposit, Entry, PaymentMethod
from billing.references import new_code
from orders.checkout.create import charge_key
from orders.models import DripFeed, Order
from panel.accounts.models import User
from panel.demo.history.goods import DAY, HOUR
from panel.demo.history.orders import ROWS, Shop
from panel.demo.history.people import BAND, BUYER, BY_EMAIL, NEWCOMER, QUIET
from panel.lib.money import MICRO
from panel.staff.kinds import Kind, Reason
from panel.staff.models import StaffDeed

# What the demo's customer has at least, to order with.
TO_SPEND = 60 * MICRO
_GOODWILL = 3 * MICRO
_REFUSED = "No payment with this reference came in. Please send it again with the receipt of your bank."


@dataclass(frozen=True, slots=True)
class Move:
    """What an order or a drip-feed moves in its customer's wallet, in micro-units."""

    email: str
    at: datetime
    amount: int
    kind: str
    key: str
    memo: str
    order_ref: int | None = None
    drip_ref: int | None = None


def write_money(
    *, shop: Shop, orders: Sequence[Order], owner: User, method: PaymentMethod, draw: Random
) -> list[Deposit]:
    """Write the deposits and the entries of everything. Return the deposits."""
    moves = sorted([*_moves_of_orders(orders), *_moves_of_drips(orders)], key=lambda move: move.at)
    deposits = [
        deposit
        for email in shop.accounts.wallets
        for deposit in _paid_in(shop, email, [one for one in moves if one.email == email], owner, method, draw)
    ]
    deposits += _not_approved(shop, owner, method)
    Deposit.objects.bulk_create(sorted(deposits, key=lambda one: one.created_at), batch_size=ROWS)
    approved = [one for one in deposits if one.state == Deposit.State.APPROVED]
    lines = [_line(shop, one) for one in moves] + [line for one in approved for line in _credits(shop, one)]
    goodwill = _goodwill(shop, owner)
    ledger.post_past(lines=sorted([*lines, goodwill], key=lambda line: line.created_at))
    _record_deeds(shop, approved, goodwill, owner)
    return deposits


def _moves_of_orders(orders: Sequence[Order]) -> list[Move]:
    moves = []
    for order in orders:
        email, name, pk = order.customer.email, order.service_name, order.pk
        if order.drip_feed_id is None:
            moves.append(Move(email, order.created_at, -order.charge, Entry.Kind.ORDER, charge_key(order), name, pk))
        if order.refunded and order.finished_at:
            key = f"order:{pk}:refund:{order.refunded}"
            moves.append(Move(email, order.finished_at, order.refunded, Entry.Kind.REFUND, key, name, pk))
    return moves


def _moves_of_drips(orders: Sequence[Order]) -> list[Move]:
    moves = []
    drips: dict[int, DripFeed] = {order.drip_feed.pk: order.drip_feed for order in orders if order.drip_feed}
    for drip in drips.values():
        email, memo = drip.customer.email, drip.service_name
        charge = Move(
            email, drip.created_at, -drip.charge, Entry.Kind.DRIP_FEED, f"drip:{drip.pk}:charge", memo, None, drip.pk
        )
        moves.append(charge)
        if drip.refunded and drip.ended_at:
            key = f"drip:{drip.pk}:refund"
            moves.append(Move(email, drip.ended_at, drip.refunded, Entry.Kind.REFUND, key, memo, None, drip.pk))
    return moves


# -- deposits ----------------------------------------------------------------------------------------


def _paid_in(
    shop: Shop, email: str, moves: Sequence[Move], owner: User, method: PaymentMethod, draw: Random
) -> list[Deposit]:
    """Return the approved deposits of a customer: each was added some minutes before it was needed."""
    deposits: list[Deposit] = []
    balance = 0

    def pay_in(amount: int, decided_at: datetime) -> int:
        deposit = _deposit(shop, email, method, amount=amount, created_at=decided_at - _minutes(draw, 8, 130))
        deposit.reference = f"TRX-{draw.randrange(10**5, 10**6)}"
        deposit.state, deposit.decided_at, deposit.decided_by = Deposit.State.APPROVED, decided_at, owner
        deposit.credited, deposit.bonus = amount, deposit.bonus_terms.bonus_of(amount)
        deposits.append(deposit)
        return amount + deposit.bonus

    for move in moves:
        while balance + move.amount < 0:
            balance += pay_in(draw.choice(BY_EMAIL[email].deposits), move.at - _minutes(draw, 1, 15))
        balance += move.amount
    if email == BUYER and balance < TO_SPEND:
        pay_in(TO_SPEND, shop.ago(19 * HOUR))
    return deposits


def _not_approved(shop: Shop, owner: User, method: PaymentMethod) -> list[Deposit]:
    """Return a deposit that waits for the owner, one that was refused, and one that its customer canceled."""
    waiting = _deposit(shop, NEWCOMER, method, amount=120 * MICRO, created_at=shop.ago(43 * 60))
    waiting.reference = "TRX-604417"
    waiting.paid_at, waiting.expires_at = waiting.created_at, None
    refused = _deposit(shop, QUIET, method, amount=80 * MICRO, created_at=shop.ago(11 * DAY))
    refused.reference, refused.note, refused.state = "TRX-118205", _REFUSED, Deposit.State.REFUSED
    refused.decided_at, refused.decided_by = shop.ago(11 * DAY - 5 * HOUR), owner
    canceled = _deposit(shop, BUYER, method, amount=15 * MICRO, created_at=shop.ago(15 * DAY))
    canceled.state, canceled.decided_at, canceled.decided_by = (
        Deposit.State.CANCELED,
        shop.ago(15 * DAY - 6 * 60),
        canceled.customer,
    )
    return [waiting, refused, canceled]


def _deposit(shop: Shop, email: str, method: PaymentMethod, *, amount: int, created_at: datetime) -> Deposit:
    return Deposit(
        customer=shop.accounts.users[email],
        method=method,
        amount=amount,
        bonus_bp=method.bonus_bp,
        tiers=method.tiers,
        code=new_code(),
        expires_at=created_at + timedelta(hours=method.hours_open),
        request_key=f"demo-{email}-{created_at.timestamp():.0f}"[:64],
        created_at=created_at,
        mail_due_at=None,
    )


def _minutes(draw: Random, least: float, most: float) -> timedelta:
    return timedelta(minutes=draw.uniform(least, most))


# -- entries -----------------------------------------------------------------------------------------


def _line(shop: Shop, move: Move) -> ledger.PastLine:
    return ledger.PastLine(
        wallet_id=shop.accounts.wallets[move.email].pk,
        amount=move.amount,
        kind=move.kind,
        key=move.key,
        memo=move.memo,
        order_ref=move.order_ref,
        drip_ref=move.drip_ref,
        created_at=move.at,
    )


def _credits(shop: Shop, deposit: Deposit) -> list[ledger.PastLine]:
    assert deposit.credited and deposit.decided_at  # noqa: S101  (it was approved)
    return [
        ledger.PastLine(
            wallet_id=shop.accounts.wallets[deposit.customer.email].pk,
            amount=amount,
            kind=kind,
            key=key,
            memo=deposit.method.name,
            actor_id=deposit.decided_by_id,
            created_at=deposit.decided_at,
        )
        for amount, kind, key in (
            (deposit.credited, Entry.Kind.DEPOSIT, f"deposit:{deposit.pk}"),
            (deposit.bonus, Entry.Kind.BONUS, f"deposit:{deposit.pk}:bonus"),
        )
        if amount
    ]


def _goodwill(shop: Shop, owner: User) -> ledger.PastLine:
    return ledger.PastLine(
        wallet_id=shop.accounts.wallets[BAND].pk,
        amount=_GOODWILL,
        kind=Entry.Kind.BONUS,
        key="staff:demo-goodwill",
        memo="Sorry for the wait",
        actor_id=owner.pk,
        created_at=shop.ago(9 * DAY),
    )


def _record_deeds(shop: Shop, approved: Sequence[Deposit], goodwill: ledger.PastLine, owner: User) -> None:
    """Record that the owner moved this money."""
    deeds = [
        StaffDeed(
            person=owner,
            kind=Kind.DEPOSIT,
            amount=one.added,
            reason=Reason.OTHER,
            customer=one.customer,
            model="billing.deposit",
            object_id=one.pk,
            created_at=one.decided_at or one.created_at,
        )
        for one in approved
    ]
    deeds.append(
        StaffDeed(
            person=owner,
            kind=Kind.BONUS,
            amount=goodwill.amount,
            reason=Reason.PROVIDER,
            customer=shop.accounts.users[BAND],
            model="billing.wallet",
            object_id=goodwill.wallet_id,
            created_at=goodwill.created_at,
        )
    )
    StaffDeed.objects.bulk_create(sorted(deeds, key=lambda deed: deed.created_at), batch_size=ROWS)
