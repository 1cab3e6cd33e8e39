"""Deposits, entries of everything that moved money, and wallets with the balances of their last entries.

Past the ledger, and as the ledger would have written them: `check_ledger` finds nothing.
"""

from __future__ import annotations

from billing.models import Deposit, Entry, PaymentMethod, Wallet
from orders.models import DripFeed, Order
from panel.accounts.models import User
from panel.lib.money import MICRO
from tests.bench.data.plan import Plan
from tests.bench.data.writer import Writer, choose, literal

METHODS = ("Bank transfer", "Crypto (USDT)", "Card")
# The place of the method whose customers pay its fee: 4% and 10 cents.
WITH_FEE = 2
FEE = {"fee_bp": 400, "fee_fixed": MICRO // 10, "fee_payer": "customer"}


def write_deposits(writer: Writer, plan: Plan) -> None:
    """Write deposits: most are approved, and the pending ones are among the newest."""
    method = PaymentMethod.objects.bulk_create(
        PaymentMethod(
            name=name,
            minimum=5 * MICRO,
            maximum=10_000 * MICRO,
            bonus_bp=500 * place,
            position=place,
            **(FEE if place == WITH_FEE else {}),
        )
        for place, name in enumerate(METHODS)
    )[0].pk
    state = (
        f"CASE WHEN n > {plan.deposits - max(50, plan.deposits // 1_000)} AND n % 2 = 0 THEN 'pending' "
        "WHEN n % 25 = 3 THEN 'refused' WHEN n % 25 = 4 THEN 'canceled' ELSE 'approved' END"
    )
    age = plan.age("n", plan.deposits)
    has_fee = f"n % {len(METHODS)} = {WITH_FEE}"
    # Whole dollars, of which 4% are whole cents.
    fee = f"CASE WHEN {has_fee} THEN amount / 25 + {FEE['fee_fixed']} ELSE 0 END"
    rows = f"SELECT n, {state} AS state, {age} AS age, {MICRO} * (5 + n * 31 % 500) AS amount FROM "
    writer.insert(
        Deposit,
        source=f"({rows} {writer.numbers(plan.deposits)}) AS d",
        order="n",
        id=f"{plan.first_deposit} + n",
        customer_id=f"{plan.first_user} + {plan.customer('n')}",
        method_id=f"{method} + n % {len(METHODS)}",
        amount="amount",
        bonus_bp=f"500 * (n % {len(METHODS)})",
        fee_bp=f"CASE WHEN {has_fee} THEN {FEE['fee_bp']} ELSE 0 END",
        fee_fixed=f"CASE WHEN {has_fee} THEN {FEE['fee_fixed']} ELSE 0 END",
        fee_payer=f"CASE WHEN {has_fee} THEN {literal(str(FEE['fee_payer']))} ELSE 'owner' END",
        credited=f"CASE WHEN state = 'approved' THEN amount + {fee} END",
        fee=f"CASE WHEN state = 'approved' THEN {fee} ELSE 0 END",
        bonus=f"CASE WHEN state = 'approved' THEN amount / 20 * (n % {len(METHODS)}) ELSE 0 END",
        reference=f"{choose('n', ('TRX', 'REF', 'PAY'))} || '-' || {writer.padded('(n * 7919 % 1000000)', 6)}",
        state="state",
        note=f"CASE WHEN state = 'refused' THEN {literal('No such payment came in.')} ELSE '' END",
        request_key="'bench' || n",
        created_at=writer.ago("age"),
        decided_at=f"CASE WHEN state <> 'pending' THEN {writer.ago('age - 60')} END",
        mail_due_at="NULL",
    )


def write_entries(writer: Writer, plan: Plan) -> None:
    """Write about four entries per order. A deposit precedes each charge, so that no balance is ever negative."""
    moves = " UNION ALL ".join([*_moves_of_orders(plan), *_moves_of_drips(plan), *_moves_of_deposits(plan)])
    window = "PARTITION BY customer_id ORDER BY moment, place ROWS UNBOUNDED PRECEDING"
    summed = (
        f"SELECT moves.*, ROW_NUMBER() OVER ({window}) AS number, SUM(amount) OVER ({window}) AS total "
        f"FROM ({moves}) AS moves"
    )
    writer.insert(
        Entry,
        source=f"({summed}) AS e",
        order="moment, place",
        wallet_id=f"customer_id - {plan.first_user} + {plan.first_wallet}",
        seq="number",
        amount="amount",
        balance_after=writer.whole("total"),
        kind="kind",
        key="name",
        order_ref="order_ref",
        drip_ref="drip_ref",
        memo="memo",
        created_at="moment",
    )


def write_wallets(writer: Writer, plan: Plan) -> None:
    entries = Entry._meta.db_table
    last = f"SELECT wallet_id, MAX(seq) AS seq FROM {entries} GROUP BY wallet_id"
    writer.insert(
        Wallet,
        source=(
            f"{User._meta.db_table} u LEFT JOIN ({last}) AS l ON l.wallet_id = u.id - {plan.first_user} + "
            f"{plan.first_wallet} LEFT JOIN {entries} e ON e.wallet_id = l.wallet_id AND e.seq = l.seq "
            f"WHERE u.id > {plan.first_user} AND u.id <= {plan.first_user + plan.customers}"
        ),
        id=f"u.id - {plan.first_user} + {plan.first_wallet}",
        customer_id="u.id",
        balance="COALESCE(e.balance_after, 0)",
        entry_count="COALESCE(e.seq, 0)",
        credit_limit=f"CASE WHEN u.id % 500 = 1 THEN {100 * MICRO} ELSE 0 END",
        created_at="u.date_joined",
    )


def _move(
    table: str,
    where: str,
    *,
    moment: str,
    part: int,
    amount: str,
    kind: str,
    key: str,
    order: str = "CAST(NULL AS BIGINT)",
    drip: str = "CAST(NULL AS BIGINT)",
    memo: str = "''",
) -> str:
    """Return the select of one kind of entry. `part` orders the entries of one row that have the same moment."""
    return (
        f"SELECT customer_id, {moment} AS moment, id * 8 + {part} AS place, {amount} AS amount, '{kind}' AS kind, "
        f"{key} AS name, {order} AS order_ref, {drip} AS drip_ref, {memo} AS memo FROM {table} WHERE {where}"
    )


def _moves_of_orders(plan: Plan) -> list[str]:
    table, ours = Order._meta.db_table, f"id > {plan.first_order}"
    bonus = "(charge / 50 + 1)"
    refund = {"kind": "refund", "order": "id", "memo": "service_name", "moment": "finished_at"}
    in_parts = "refunded > 1 AND id % 3 = 0"
    return [
        _move(
            table,
            ours,
            moment="created_at",
            part=1,
            amount="charge",
            kind="deposit",
            key="'staff:bench' || id",
            memo="'Top-up'",
        ),
        _move(
            table,
            ours,
            moment="created_at",
            part=2,
            amount=bonus,
            kind="bonus",
            key="'staff:bench-bonus' || id",
            memo="'Bonus'",
        ),
        _move(
            table,
            f"{ours} AND drip_feed_id IS NULL",
            moment="created_at",
            part=3,
            amount="-charge",
            kind="order",
            key="'order:' || id || ':charge'",
            order="id",
            memo="service_name",
        ),
        _move(
            table,
            f"{ours} AND id % 5 < 2",
            moment="created_at",
            part=4,
            amount=f"-{bonus}",
            kind="adjustment",
            key="'staff:bench-back' || id",
            memo="'Bonus taken back'",
        ),
        _move(
            table,
            f"{ours} AND {in_parts}",
            part=5,
            amount="refunded / 2",
            key="'order:' || id || ':refund:' || (refunded / 2)",
            **refund,
        ),
        _move(
            table,
            f"{ours} AND refunded > 0",
            part=6,
            amount=f"CASE WHEN {in_parts} THEN refunded - refunded / 2 ELSE refunded END",
            key="'order:' || id || ':refund:' || refunded",
            **refund,
        ),
    ]


def _moves_of_drips(plan: Plan) -> list[str]:
    table, ours = DripFeed._meta.db_table, f"id > {plan.first_drip}"
    return [
        _move(
            table,
            ours,
            moment="created_at",
            part=1,
            amount="charge",
            kind="deposit",
            key="'staff:bench-drip' || id",
            memo="'Top-up'",
        ),
        _move(
            table,
            ours,
            moment="created_at",
            part=2,
            amount="-charge",
            kind="drip_feed",
            key="'drip:' || id || ':charge'",
            drip="id",
            memo="service_name",
        ),
        _move(
            table,
            f"{ours} AND refunded > 0",
            moment="ended_at",
            part=3,
            amount="refunded",
            kind="refund",
            key="'drip:' || id || ':refund'",
            drip="id",
            memo="service_name",
        ),
    ]


def _moves_of_deposits(plan: Plan) -> list[str]:
    table, ours = Deposit._meta.db_table, f"id > {plan.first_deposit}"
    return [
        _move(
            table,
            f"{ours} AND state = 'approved'",
            moment="decided_at",
            part=1,
            amount="credited",
            kind="deposit",
            key="'deposit:' || id",
            memo="'Bank transfer'",
        ),
        _move(
            table,
            f"{ours} AND fee > 0",
            moment="decided_at",
            part=2,
            amount="-fee",
            kind="fee",
            key="'deposit:' || id || ':fee'",
            memo="'Card'",
        ),
        _move(
            table,
            f"{ours} AND bonus > 0",
            moment="decided_at",
            part=3,
            amount="bonus",
            kind="bonus",
            key="'deposit:' || id || ':bonus'",
            memo="'Bonus'",
        ),
    ]
