"""Many open orders, written past the services for speed: each charged, placed long ago and due to be polled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone

from billing.models import Entry, Wallet
from catalog.models import Service
from catalog.prices.customer_prices import Offer
from orders.checkout.create import charge_of, cost_of_order
from orders.common.transitions import id_columns
from orders.models import Order, OrderPoll
from orders.states import Status, Submission
from panel.accounts.models import User
from tests import make, unguarded
from tests.bench.upstream import answer_about

QUANTITY = 1_000
CHUNK = 500
# Old enough to be looked at rarely: no order falls due again while a slow round still runs.
AGE = timedelta(days=4)


class KnownStatus(NamedTuple):
    status: str
    remains: int


def open_orders(*, service: Service, customers: Sequence[User], ids: range) -> None:
    """One order of `service` for each upstream id, the customers in turn by the hundred. The books balance."""
    now = timezone.now()
    charge = charge_of(offer=Offer(service, service.price), quantity=QUANTITY)
    with transaction.atomic():
        purses = [_Purse(make.wallet(customer)) for customer in customers]
        for start in range(0, len(ids), CHUNK):
            chunk = ids[start : start + CHUNK]
            owners = [purses[one // 100 % len(purses)] for one in chunk]
            orders = [
                _order(service, purse.wallet.customer_id, one, charge, now)
                for one, purse in zip(chunk, owners, strict=True)
            ]
            Order.objects.bulk_create(orders)
            OrderPoll.objects.bulk_create(
                OrderPoll(order=order, provider=order.provider, due_at=order.next_poll_at) for order in orders
            )
            unguarded.entries().bulk_create(purse.pay(order) for order, purse in zip(orders, owners, strict=True))
        unguarded.wallets().bulk_update((purse.wallet for purse in purses), ["balance", "entry_count"])


@dataclass(slots=True)
class _Purse:
    wallet: Wallet

    def pay(self, order: Order) -> Entry:
        self.wallet.balance -= order.charge
        self.wallet.entry_count += 1
        return Entry(
            wallet=self.wallet,
            seq=self.wallet.entry_count,
            amount=-order.charge,
            balance_after=self.wallet.balance,
            kind=Entry.Kind.ORDER,
            key=f"order:{order.pk}:charge",
            order_ref=order.pk,
            memo=order.service_name,
        )


def _order(service: Service, customer_id: int, upstream_id: int, charge: int, now: datetime) -> Order:
    status = stood(upstream_id)
    # Spread over a day, and in another order than that of the rows.
    accepted_at = now - AGE - timedelta(seconds=upstream_id * 7_919 % 86_400)
    return Order(
        customer_id=customer_id,
        service=service,
        service_name=service.name,
        service_type=service.type,
        link=f"https://example.com/{service.pk}/{upstream_id}",
        quantity=QUANTITY,
        price=service.price,
        charge=charge,
        request_key=f"{service.pk}:{upstream_id}",
        created_at=accepted_at,
        provider=service.upstream.provider,
        upstream_service_id=service.upstream.external_id,
        **id_columns(str(upstream_id)),
        expected_cost=cost_of_order(service=service, quantity=QUANTITY),
        upstream_charge=cost_of_order(service=service, quantity=QUANTITY),
        status=status.status,
        submission=Submission.ACCEPTED,
        start_count=50,
        remains=status.remains,
        accepted_at=accepted_at,
        next_action_at=None,
        next_poll_at=accepted_at,
    )


def stood(upstream_id: int) -> KnownStatus:
    """As the panel knows the order before the first round."""
    now = stands(upstream_id)
    if now.status == Status.PENDING:
        return now
    return KnownStatus(Status.IN_PROGRESS, 700) if upstream_id % 2 else KnownStatus(Status.PENDING, QUANTITY)


def stands(upstream_id: int) -> KnownStatus:
    """As the provider tells it, thus as the panel must know it afterwards."""
    answer = answer_about(upstream_id)
    return KnownStatus(Status[answer["status"].upper().replace(" ", "_")], int(answer["remains"]))
