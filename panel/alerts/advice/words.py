"""What an advice consists of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Topic(StrEnum):
    """What an alert is about, for whom it should reach. The value is stored."""

    MONEY = "money"
    PROVIDERS = "providers"
    ORDERS = "orders"
    DEPOSITS = "deposits"
    STAFF = "staff"
    CATALOG = "catalog"
    MACHINE = "machine"


TOPICS = (
    (Topic.MONEY, "Money: the ledger, costs, exchange rates, unexplained spending"),
    (Topic.PROVIDERS, "Providers: trouble, balances, words that the panel does not know"),
    (Topic.ORDERS, "Orders: reviews, doubts, deadlines, stops"),
    (Topic.DEPOSITS, "Deposits and ways to pay"),
    (Topic.STAFF, "Staff, mails and settings"),
    (Topic.CATALOG, "Services and prices"),
    (Topic.MACHINE, "The machine: workers, clocks, disk, Redis, errors"),
)


@dataclass(frozen=True, slots=True)
class Advice:
    """`page` is the name of a route. One that ends in "change" takes the primary key of what the alert is about.

    `decision` is the name of the page where the owner decides at once, which takes that key too; "" if there is none.
    """

    topic: Topic
    panel_does: str
    you_do: str
    page: str
    decision: str = ""
