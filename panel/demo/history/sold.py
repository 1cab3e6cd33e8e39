"""What each order of the story cost and how it stands, by the panel's own rules and the sandbox's."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from catalog.models import Service
from catalog.prices.customer_prices import terms_of
from catalog.prices.rules import priced
from catalog.prices.storage import load_priced_services, read_terms
from catalog.service_types import is_package_type
from orders.refunds.policy import Refund, refund_due
from orders.states import FINAL, Status
from panel.accounts.models import User
from panel.demo.history.goods import RATE_CHANGES
from panel.demo.history.story import Fate, Purchase
from panel.lib.money import charge_for
from panel.sandbox import delivery
from panel.sandbox.amounts import share
from panel.sandbox.past import PastOrder

_STATUSES = {
    delivery.PENDING: Status.PENDING,
    delivery.PROCESSING: Status.PROCESSING,
    delivery.IN_PROGRESS: Status.IN_PROGRESS,
    delivery.COMPLETED: Status.COMPLETED,
    delivery.PARTIAL: Status.PARTIAL,
    delivery.CANCELED: Status.CANCELED,
}


@dataclass(frozen=True, slots=True)
class Price:
    """A service's price for one customer, our cost and the provider's rate: micro-units of 1,000, or of a package."""

    price: int
    cost: int
    rate: int


class Prices:
    """Prices by moment: a service whose rate changed was sold at the price of its rate before."""

    def __init__(self, users: dict[str, User]) -> None:
        self._terms = read_terms()
        self._services = {one.name: one for one in load_priced_services(Service.objects.all())}
        self._customers = {email: terms_of(customer=user) for email, user in users.items()}
        self._changes = {one.name: one for one in RATE_CHANGES}

    def at(self, *, name: str, email: str, age: float) -> Price:
        sold, change = self._services[name], self._changes.get(name)
        if change and age > change.age:
            sold = priced(sold._replace(rate=change.rate), self._terms)
        return Price(self._customers[email].price_of(sold), sold.cost, sold.rate)

    def list_price(self, name: str, *, rate: int) -> int:
        """Return what customers without terms of their own paid at this rate."""
        return priced(self._services[name]._replace(rate=rate), self._terms).price


@dataclass(slots=True)
class Sold:
    """An order of the story with its money and state. Amounts are micro-units, ages in seconds.

    `there` is what the provider took for it, `kept` what it kept of that. `finished_age` is when the panel saw the end.
    """

    purchase: Purchase
    price: int
    charge: int
    expected_cost: int
    there: int
    status: Status = Status.PENDING
    start_count: int | None = None
    remains: int | None = None
    kept: int | None = None
    refunded: int = 0
    undelivered: int = 0
    finished_age: float | None = None

    @property
    def quantity(self) -> int:
        return self.purchase.quantity

    @property
    def is_package(self) -> bool:
        return is_package_type(_type(self.purchase))

    def past_order(self) -> PastOrder | None:
        """Return the order as the provider has it; None if it never got it."""
        purchase = self.purchase
        if purchase.plan is None:
            return None
        service = purchase.good.service
        params = {"action": "add", "service": str(service.id), "link": purchase.link, **purchase.params}
        if not purchase.params and not self.is_package:
            params["quantity"] = str(purchase.quantity)
        return PastOrder(
            service=service.id,
            type=service.type,
            link=purchase.link,
            quantity=purchase.quantity,
            charge=self.there,
            params=params,
            plan=purchase.plan,
            age=purchase.accepted_age,
            canceled_after=purchase.canceled_after,
        )


def _type(purchase: Purchase) -> str:
    return purchase.good.service.type.lower().replace(" ", "_")


def sell(purchases: list[Purchase], *, prices: Prices, draw: Random) -> list[Sold]:
    """Price the orders and let each come to its present state."""
    return [_stand(_priced(purchase, prices), seen_after=draw.uniform(2, 25)) for purchase in purchases]


def _priced(purchase: Purchase, prices: Prices) -> Sold:
    # All runs of a drip-feed are paid at the price of the first.
    age = purchase.age
    if purchase.drip and purchase.run:
        age += (purchase.run - 1) * purchase.drip.interval * 60
    found = prices.at(name=purchase.good.name, email=purchase.email, age=age)
    # The order in doubt was sent just when the rate had risen, and before the panel knew.
    rate = (
        prices.at(name=purchase.good.name, email=purchase.email, age=0).rate
        if purchase.fate is Fate.DOUBT
        else found.rate
    )
    if is_package_type(_type(purchase)):
        return Sold(purchase, found.price, found.price, found.cost, rate)
    return Sold(
        purchase,
        found.price,
        charge_for(found.price, purchase.quantity),
        charge_for(found.cost, purchase.quantity),
        share(rate, purchase.quantity, 1_000),
    )


def _stand(sold: Sold, *, seen_after: float) -> Sold:
    """Set how the order stands by now, and return it."""
    purchase = sold.purchase
    if purchase.fate in (Fate.REFUSED, Fate.WITHDRAWN):
        sold.status, sold.refunded, sold.undelivered = Status.CANCELED, sold.charge, sold.quantity
        sold.finished_age = purchase.accepted_age
    past = sold.past_order()
    if past is None:
        return sold
    there = past.numbered(0, now=0.0)
    at = there.progress(0.0)
    sold.kept = there.kept(0.0)
    if purchase.fate is Fate.DOUBT:
        return sold  # The panel does not know.
    sold.status, sold.start_count, sold.remains = _STATUSES[at.status], at.start_count, at.remains
    if sold.status in FINAL:
        ended = purchase.ended_age
        assert ended is not None  # noqa: S101  (the provider says that it ended)
        sold.finished_age = ended - min(seen_after, ended / 2)
        due = refund_due(sold, status=sold.status, remains=sold.remains, upstream_charge=sold.kept)
        if not isinstance(due, Refund):
            raise ValueError(f"the story contradicts itself: {due.text}")
        sold.refunded, sold.undelivered = due.target, due.undelivered
    return sold
