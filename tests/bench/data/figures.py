"""Figures of customers as their task counts them, from the wallets and orders that were written."""

from __future__ import annotations

from allauth.usersessions.models import UserSession

from billing.models import Entry, Wallet
from billing.statements import PAID_IN
from orders.models import CustomerFigures, Order
from panel.accounts.models import ApiKey, User
from tests.bench.data.plan import Plan
from tests.bench.data.writer import Writer, literal


def write_customer_figures(writer: Writer, plan: Plan) -> None:
    wallet, entry, user, order, key = (model._meta.db_table for model in (Wallet, Entry, User, Order, ApiKey))
    assert not UserSession.objects.exists(), "sessions would count as seen"
    paid_in = ", ".join(literal(kind) for kind in PAID_IN)
    sums = (
        f"SELECT wallet_id, SUM(CASE WHEN kind IN ({paid_in}) THEN amount ELSE 0 END) AS paid, "
        f"SUM(CASE WHEN kind = 'refund' THEN amount ELSE 0 END) AS refunded FROM {entry} GROUP BY wallet_id"
    )
    counts = f"SELECT customer_id, COUNT(*) AS orders FROM {order} GROUP BY customer_id"
    keys = f"SELECT customer_id, MAX(last_used_at) AS used_at FROM {key} GROUP BY customer_id"
    spent = writer.whole("COALESCE(s.paid, 0) - COALESCE(w.balance, 0)")
    refunded = writer.whole("COALESCE(s.refunded, 0)")
    latest = "CASE WHEN k.used_at > COALESCE(u.last_login, k.used_at) THEN k.used_at ELSE u.last_login END"
    writer.insert(
        CustomerFigures,
        source=(
            f"{user} AS u LEFT JOIN {wallet} AS w ON w.customer_id = u.id "
            f"LEFT JOIN ({sums}) AS s ON s.wallet_id = w.id "
            f"LEFT JOIN ({counts}) AS c ON c.customer_id = u.id "
            f"LEFT JOIN ({keys}) AS k ON k.customer_id = u.id "
            f"WHERE u.id > {plan.first_user} AND u.id <= {plan.first_user + plan.customers}"
        ),
        customer_id="u.id",
        balance="COALESCE(w.balance, 0)",
        spent=spent,
        refunded=refunded,
        refund_share=f"CASE WHEN {spent} + {refunded} > 0 THEN {refunded} * 10000 / ({spent} + {refunded}) ELSE 0 END",
        orders="COALESCE(c.orders, 0)",
        seen_at=f"COALESCE({latest}, k.used_at, {writer.moment(0)})",
        entry_count="COALESCE(w.version, 0)",
    )
